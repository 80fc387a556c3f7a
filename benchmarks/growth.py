"""The figure of how the rates of step programs and rivals grow."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

STYLES = {"plain": "k--", "eager": "C0o-", "kernel": "C3o-", "jax": "C2s-", "bare": "C7:"}


def draw(curves: dict[str, dict[str, list[tuple[int, float]]]], path: Path) -> None:
    """Rates over sizes, both logarithmic; a panel a sweep."""
    figure = Figure(figsize=(4.5 * len(curves), 3.6), layout="constrained")
    panels = figure.subplots(1, len(curves), sharey=True, squeeze=False)[0]
    for axes, (title, curve) in zip(panels, curves.items(), strict=True):
        for name, points in curve.items():
            sizes, rates = zip(*points, strict=True)
            axes.loglog(sizes, rates, STYLES.get(name, "o-"), label=name, markersize=4)
        axes.set_xlabel(title)
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("steps a CPU second")
    panels[0].legend(frameon=False)
    figure.savefig(path, dpi=150)
