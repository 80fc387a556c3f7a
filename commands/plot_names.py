"""Figures by name as `workbench plot --help` lists them: the rooms that draw them take long to load."""

from __future__ import annotations

OF_RUNS = {
    "Training": "risk, accuracy, learning-rate, norms, grokking, sharpness, rates",
    "Margins": "margins, margins-ordered, margins-norms, robustness, optimality",
    "Neurons": "early, directions, ncf, field, hat, distance, pursuit, staircase, path",
    "Layers": "layers, predictor, mapped, contours",
}
"""Of a run, by what they are of."""
OF_SEVERAL = (
    "risk, accuracy, learning-rate, norms, grokking, sharpness, rates, margins, margins-norms, robustness, "
    "distance, path, layers, predictor"
)
"""Of several runs over one another."""
OF_STUDIES = "phase, bands, escape, targets"

HELP = "\n".join(
    (
        "Draw a figure of a run or a study, or of several runs over one another.",
        "",
        "\b",
        "Figures of a run, by what they are of (docs/figures.md has them by paper):",
        *(f"  {group:<9} {names}" for group, names in OF_RUNS.items()),
        "",
        f"Of several runs, one colour each: {OF_SEVERAL}.",
        "",
        f"Of a study: {OF_STUDIES}.",
    )
)


def beginning(incomplete: str) -> list[str]:
    """The figures whose name begins so, for the tab key."""
    names = ", ".join((*OF_RUNS.values(), OF_STUDIES)).split(", ")
    return [name for name in names if name.startswith(incomplete)]
