"""What the inspector's page on problem (P) shows: certificates, active samples, the (ε, δ) front. Pure.

LL20 §4.3: how near the direction is to a KKT point of min ½‖θ‖² s.t. q_i(θ) ≥ 1. A KKT point is never
called optimal here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.tui.inspect.words import Page, number
from workbench.tui.widgets.chart import ChartModel, Curve, VLine
from workbench.tui.widgets.listing import Cell, ListColumn, Listed
from workbench.tui.widgets.scale import Kind

if TYPE_CHECKING:
    from workbench.inspector.margin import MarginCertificate, ScaledCertificate
    from workbench.inspector.margin_norm import OwnNorm
    from workbench.inspector.state import InspectedState

MOST_ROWS = 2_000
SIDES = (8, 28)
"""Sides of square grey pictures that samples may be: digits of 8×8 and 28×28."""
GREYS = " ░▒▓█"


def page(found: MarginCertificate, state: InspectedState) -> Page:
    """Certificates above, the samples that hold θ below."""
    return Page(
        certificates_title(found),
        certificates_table(found),
        constraints_title(found),
        constraints_table(found, state),
        note_lines(found),
    )


def certificates_title(found: MarginCertificate) -> str:
    """What is certified."""
    return f"max-margin problem (P) · q_min {number(found.q_min)} · a KKT point need not be optimal"


def certificates_table(found: MarginCertificate) -> Listed:
    """ε and δ of the best multipliers, the paper's, the lemma's bounds, and the polished point."""
    columns = (
        ListColumn("multipliers", 0, right=False),
        ListColumn("ε", 0),
        ListColumn("ε ≥", 3),
        ListColumn("δ", 0),
        ListColumn("‖θ~‖²", 1),
        ListColumn("", 2, right=False),
    )
    rows = [*_scaled("", found.uniform)]
    if found.layered is not None:
        rows += _scaled(", layers apart", found.layered)
    bound = ("Lemma C.8's bound", "bar_text")
    rows.append(
        (
            bound,
            (number(found.epsilon_bound), "bar_text"),
            ("", "dim"),
            (number(found.delta_bound), "bar_text"),
            ("", "dim"),
            ("", "dim"),
        )
    )
    if found.own is not None:
        rows += _in_own_norm(found.own)
    rows.append(_polished(found))
    return Listed(columns, tuple(rows))


def _scaled(where: str, scaled: ScaledCertificate) -> list[tuple[Cell, ...]]:
    best, paper = scaled.best, scaled.paper
    norm2 = (number(scaled.norm2), "bar_text")
    met = "" if best.outcome.converged else "bounds do not meet"
    return [
        (
            (f"best{where}", "bright"),
            (number(best.epsilon), "text"),
            (number(best.epsilon_low, 3), "bar_text"),
            (number(best.delta), "text"),
            norm2,
            (f"{int(best.active.sum())} active {met}".rstrip(), "bar_text"),
        ),
        (
            (f"the paper's{where}", "text"),
            (number(paper.epsilon), "text"),
            ("", "dim"),
            (number(paper.delta), "text"),
            norm2,
            ("", "dim"),
        ),
    ]


def _in_own_norm(own: OwnNorm) -> list[tuple[Cell, ...]]:
    norm2 = (number(own.norm2), "bar_text")
    said = {"best": f"{int(own.best.active.sum())} active", "the paper's": ""}
    return [
        (
            (f"{name} in {own.symbol}", "bright" if more else "text"),
            (number(one.epsilon), "text"),
            ("", "dim"),
            (number(one.delta), "text"),
            norm2,
            (more, "bar_text"),
        )
        for (name, more), one in zip(said.items(), (own.best, own.paper), strict=True)
    ]


def _polished(found: MarginCertificate) -> tuple[Cell, ...]:
    point = found.polished
    if point is None or not point.outcome.converged:
        return (("polished point", "dim"), *[("–", "dim")] * 4, ("none: see below", "dim"))
    turn = f"{len(point.active)} active, {np.degrees(point.angle):.2g}° away"
    return (
        ("polished point", "good"),
        (f"{point.outcome.residual:.0e}", "good"),
        ("", "dim"),
        ("0", "good"),
        (number(point.norm2, 6), "text"),
        (turn, "text"),
    )


def shown_constraints(found: MarginCertificate) -> list[int]:
    """Rows of the constraints, the largest multiplier first, then the least margin."""
    best, polished = found.uniform.best.multipliers, found.polished
    also = (
        np.zeros(len(best))
        if polished is None or len(polished.multipliers) != len(best)
        else polished.multipliers
    )
    order = sorted(range(len(best)), key=lambda i: (-best[i], -also[i], i))
    return order[:MOST_ROWS]


def constraints_title(found: MarginCertificate) -> str:
    """How many constraints hold θ."""
    active = int(found.uniform.best.active.sum())
    unit = "pairs of sample and class" if found.classes else "samples"
    return f"{active:,} of {found.total:,} {unit} hold θ, the strongest on top"


def constraints_table(found: MarginCertificate, state: InspectedState) -> Listed:
    """A row a constraint: sample, label, its margin over the least, its multipliers."""
    columns = (
        ListColumn("sample", 0),
        ListColumn("label", 2),
        *([ListColumn("against", 2)] if found.classes else []),
        ListColumn("q/q_min", 1),
        ListColumn("λ best", 0),
        ListColumn("λ paper", 4),
        ListColumn("λ polished", 3),
    )
    best, paper, polished = found.uniform.best, found.uniform.paper, found.polished
    margins = margins_of(state, found) / found.q_min
    rows = []
    for i in shown_constraints(found):
        sample, other = (int(k) for k in found.constraints[i])
        held = bool(best.active[i])
        known = (
            polished is not None and polished.outcome.converged and i < len(polished.multipliers)
        )
        rows.append(
            (
                (str(sample), "bright" if held else "dim"),
                (number(float(state.y[sample]), 3), "text"),
                *([(str(other), "text")] if found.classes else []),
                (number(float(margins[i]), 5), "text" if held else "dim"),
                (number(float(best.multipliers[i])), "orange" if held else "dim"),
                (number(_at(paper.multipliers, i)), "bar_text"),
                (number(float(polished.multipliers[i])) if known and polished else "–", "bar_text"),
            )
        )
    return Listed(tuple(columns), tuple(rows))


def _at(values: np.ndarray, i: int) -> float | None:
    return float(values[i]) if len(values) > i else None


def margins_of(state: InspectedState, found: MarginCertificate) -> np.ndarray:
    """q of the constraints that are looked at (M)."""
    sample, other = found.constraints[:, 0], found.constraints[:, 1]
    if state.outputs.ndim == 1:
        return np.asarray(state.y[sample] * state.outputs[sample])
    label = state.y[sample].astype(np.intp)
    return np.asarray(state.outputs[sample, label] - state.outputs[sample, other])


def front_chart(found: MarginCertificate) -> ChartModel:
    """Least ε over δ, both logarithmic; the line is the paper's δ."""
    delta, epsilon = found.front.delta, found.front.epsilon
    good = (delta > 0) & (epsilon > 0)
    if not good.any():
        return ChartModel(title="(ε, δ) front", empty=_no_front(found))
    x, y = delta[good], np.log10(epsilon[good])
    paper = found.uniform.paper.delta
    return ChartModel(
        title="(ε, δ) front  ε over δ",
        curves=(Curve(x, y, "orange"), Curve(x, y, "bright", style="dots")),
        lines=(VLine(paper, "faint"),) if np.isfinite(paper) and paper > 0 else (),
        x_kind=Kind.LOG,
        y_kind=Kind.POWER,
        x_name="δ",
    )


def _no_front(found: MarginCertificate) -> str:
    """Why there is no curve of ε over δ to draw."""
    best = float(found.front.epsilon.min(initial=found.uniform.best.epsilon))
    if best > 0:
        return f"every constraint is active, so δ is 0 for all multipliers: the least ε is {number(best)}"
    return "ε is 0 for every δ, to rounding"


def constraint_detail(found: MarginCertificate, state: InspectedState, row: int) -> list[Cell]:
    """The sample of a constraint: its picture where it is one, else its components."""
    order = shown_constraints(found)
    if not 0 <= row < len(order):
        return []
    sample = int(found.constraints[order[row], 0])
    x = np.asarray(state.x[sample], dtype=np.float64).ravel()
    lines: list[Cell] = [(f"sample {sample}  label {number(float(state.y[sample]), 3)}", "orange")]
    side = round(np.sqrt(x.size))
    if side * side == x.size and side in SIDES:
        return lines + [(line, "text") for line in picture(x.reshape(side, side))]
    shown = ", ".join(f"{value:.4g}" for value in x[:12]) + (", …" if x.size > 12 else "")
    return [*lines, (f"x = ({shown})", "text")]


def picture(grey: np.ndarray) -> list[str]:
    """A grey picture in shade characters, two a pixel, so that pixels are square; of wide ones every
    other row and one character a pixel."""
    top = float(np.abs(grey).max()) or 1.0
    level = np.clip(np.abs(grey) / top * (len(GREYS) - 1), 0, len(GREYS) - 1).round().astype(int)
    if grey.shape[1] > 16:
        return ["".join(GREYS[v] for v in line) for line in level[::2]]
    return ["".join(GREYS[v] * 2 for v in line) for line in level]


def note_lines(found: MarginCertificate) -> list[Cell]:
    """What a reader of the numbers should know."""
    why = found.why_unpolished or ("" if found.polished is None else found.polished.outcome.why_not)
    notes = [*found.notes, *([f"No polished point: {why}"] if why else [])]
    limit: list[Cell] = []
    if found.own is not None:
        limit = [(sentence, "text") for sentence in found.own.sentences()]
    if found.limit is not None:
        limit += [(sentence, "text") for sentence in found.limit.sentences()]
    return limit + [(note if note.endswith(".") else note + ".", "dim") for note in notes]
