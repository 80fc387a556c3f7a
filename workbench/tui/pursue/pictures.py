"""What the page of a pursuit shows of its stages: stairs of the risk, N, neurons, a table, words. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import log

import numpy as np

from workbench.arrays import Array, Float
from workbench.record.pursuit_file import KeptPursuit
from workbench.theory.ncf.pursuit import Stage
from workbench.tui.inspect.words import number
from workbench.tui.widgets.chart import ChartModel, Curve, Marker, VLine
from workbench.tui.widgets.compass import CompassModel
from workbench.tui.widgets.listing import Cell, ListColumn, Listed
from workbench.tui.widgets.marks import DataDirection, KktKind, KktPoint
from workbench.tui.widgets.scale import Kind

DEEPEST = 4.0
"""Decades below the risk at 0 that are drawn."""
MOST_COMPONENTS = 6


@dataclass(frozen=True, eq=False)
class Seen:
    """What there is: `found`, with all stages known so far, and the flow to the next one while it is under
    way: `time`, `log_risk` (T), of the summed loss. `data`: the inputs, where they are known."""

    found: KeptPursuit
    time: Float[Array, " T"] = field(default_factory=lambda: np.zeros(0))
    log_risk: Float[Array, " T"] = field(default_factory=lambda: np.zeros(0))
    data: tuple[DataDirection, ...] = ()
    running: bool = False

    @property
    def two_layer(self) -> bool:
        """Whether a neuron is (v, u)."""
        return self.found.kind == "two-layer-relu"

    def directions(self, weights: Float[Array, "k p"]) -> Float[Array, "k d"]:
        """u of each neuron."""
        return weights[:, 1:] if self.two_layer else weights


def stairs_chart(seen: Seen, chosen: int | None, logarithmic: bool) -> ChartModel:
    """The risk over the stages: between two of them the flow, each as wide as the other."""
    found = seen.found
    xs, ys = [np.zeros(0)], [np.zeros(0)]
    ways = [(stage.time, stage.log_risk) for stage in found.stages]
    if len(seen.time):
        ways.append((seen.time, seen.log_risk))
    for place, (time, risk) in enumerate(ways):
        if len(time):
            end = float(time[-1]) or 1.0
            xs.append(place - 1.0 + time / end)
            ys.append((risk + log(found.factor)) / log(10.0))
    x, y = np.concatenate(xs), np.concatenate(ys)
    tops = np.array([found.log10_risk(stage) for stage in found.stages])
    if not len(x):
        x, y = np.arange(len(tops), dtype=float), tops
    top = float(tops[0]) if len(tops) and np.isfinite(tops[0]) else 0.0
    floor = top - DEEPEST

    def placed(values: Float[Array, " k"]) -> Float[Array, " k"]:
        low = np.maximum(values, floor)
        return low if logarithmic else 10.0**low

    beside = found.beside
    markers = [
        Marker(float(place), float(placed(tops[place : place + 1])[0]), "◆", "purple")
        for place in range(len(tops))
    ]
    curves = [Curve(x, placed(y), "cyan", "pursuit")]
    if beside is not None:
        risks = np.array([visit.risk for visit in beside.visits]) * found.factor
        with np.errstate(divide="ignore"):
            run = placed(np.log10(risks))
        curves.append(Curve(np.arange(len(run), dtype=float), run, "orange", "run", "dots"))
        markers += [Marker(float(j), float(v), "○", "orange") for j, v in enumerate(run)]
    return ChartModel(
        title="risk, saddle after saddle",
        curves=tuple(curves),
        markers=tuple(markers),
        lines=tuple(VLine(float(place), "faint") for place in range(len(tops))),
        x_range=(0.0, float(max(1, len(ways) - 1))),
        y_kind=Kind.POWER if logarithmic else Kind.LINEAR,
        x_name="stage",
        cursor=None if chosen is None else float(chosen),
        empty="no stage yet",
    )


def climb_chart(seen: Seen, chosen: int | None) -> ChartModel:
    """N of the neuron that leaves each stage."""
    leaving = [(j, s.added[0].value) for j, s in enumerate(seen.found.stages) if s.added]
    x = np.array([float(j) for j, _ in leaving])
    y = np.array([value for _, value in leaving])
    return ChartModel(
        title="N of who leaves",
        curves=(Curve(x, y, "purple"),),
        markers=tuple(Marker(float(j), value, "▲", "purple") for j, value in leaving),
        y_kind=Kind.LOG,
        x_range=(0.0, float(max(1, len(seen.found.stages) - 1))),
        x_name="stage",
        cursor=None if chosen is None else float(chosen),
        empty="nobody leaves" if seen.found.stages and not seen.running else "no stage yet",
    )


def stage_compass(seen: Seen, chosen: int | None) -> CompassModel:
    """Neurons at a stage as rays, and where the new ones are put."""
    stage = _chosen(seen, chosen)
    if stage is None:
        return CompassModel(empty="no stage yet")
    p = next((len(one.direction) for s in seen.found.stages for one in s.added), 0)
    p = max(p, stage.weights.shape[1])
    d = p - 1 if seen.two_layer else p
    if d != 2:
        return CompassModel(
            title="directions", empty=f"directions in the plane need two inputs; here are {d}"
        )
    signs = np.sign(stage.weights[:, 0]) if seen.two_layer else stage.signs
    kinds: dict[str, KktKind] = {"max": "max", "flat": "flat", "saddle": "saddle", "min": "min"}
    marks = []
    for one in stage.added:
        u = one.direction[-2:]
        angle = float(np.arctan2(u[1], u[0]))
        marks.append(KktPoint(angle, kinds.get(one.kind, "point"), one.value, bright=True))
    return CompassModel(
        title=f"stage {seen.found.stages.index(stage)}: neurons, and who joins",
        directions=seen.directions(stage.weights).reshape(-1, 2),
        norms=np.linalg.norm(stage.weights, axis=1),
        signs=signs,
        data=seen.data,
        kkt=tuple(marks),
    )


def _chosen(seen: Seen, chosen: int | None) -> Stage | None:
    stages = seen.found.stages
    return stages[chosen] if chosen is not None and 0 <= chosen < len(stages) else None


def stages_table(seen: Seen) -> Listed:
    """Every stage with its risk, rest, and who leaves it; a run's nearest approach where one is beside."""
    beside = seen.found.beside
    columns = [
        ListColumn("#"),
        ListColumn("log₁₀L"),
        ListColumn("neurons", 1),
        ListColumn("N"),
        ListColumn("residual", 3),
        ListColumn("leave", 2),
        ListColumn("rest", 4),
        ListColumn("complete", 1, right=False),
        ListColumn("direction", 2, right=False),
    ]
    if beside is not None:
        columns += [ListColumn("run's step", 1), ListColumn("‖ΔΦ‖/‖y‖", 0), ListColumn("off by", 2)]
    rows: list[tuple[Cell, ...]] = []
    for place, stage in enumerate(seen.found.stages):
        first = stage.added[0] if stage.added else None
        row: list[Cell] = [
            (str(place), "text"),
            (number(seen.found.log10_risk(stage)), "text"),
            (str(len(stage.weights)), "text"),
            (number(first.value if first else stage.highest), "purple"),
            (f"{first.residual:.0e}" if first else "–", "dim"),
            (str(len(stage.added)), "text"),
            (f"{stage.slope:.0e}", "dim"),
            ("yes", "good") if stage.complete else ("no", "warn"),
            (direction(seen, first.direction, first.sign) if first else "–", "text"),
        ]
        if beside is not None:
            visit = beside.visits[place]
            row += [
                (f"{beside.step[place]:,}", "orange"),
                (number(visit.distance, 2), "orange"),
                ("–" if np.isnan(visit.angle) else f"{visit.angle:.1f}°", "orange"),
            ]
        rows.append(tuple(row))
    return Listed(tuple(columns), rows)


def direction(seen: Seen, w: Float[Array, " p"], sign: float) -> str:
    """The output's sign, and u: its angle in the plane, else its first components."""
    u = seen.directions(w[None])[0]
    u = u / max(float(np.linalg.norm(u)), 1e-300)
    front = "−" if (w[0] if seen.two_layer else sign) < 0 else "+"
    if len(u) == 2:
        return f"{front} {np.degrees(np.arctan2(u[1], u[0])):.2f}°"
    shown = ", ".join(f"{c:.2f}" for c in u[:MOST_COMPONENTS])
    return f"{front} ({shown}{', …' if len(u) > MOST_COMPONENTS else ''})"


def words(seen: Seen) -> list[Cell]:
    """How far it is or why it ended, whether the searches were complete, and the run beside it."""
    found = seen.found
    if seen.running:
        said: list[Cell] = [(f"pursuing: {len(found.stages)} stages so far …", "bright")]
    else:
        said = [(f"Ended: {found.end}.", "bright")]
    lacking = next((stage for stage in found.stages if not stage.complete), None)
    if lacking is not None:
        said.append((f"A better neuron may have been missed: {lacking.reason}.", "warn"))
    elif found.stages:
        said.append(("Every search was complete: no neuron climbs faster than those added.", "dim"))
    beside = found.beside
    if beside is not None:
        order = "in their order" if beside.in_order else "not in their order"
        worst = max(visit.distance for visit in beside.visits)
        saddles = ", ".join(f"{step:,}" for step in beside.saddles) or "none"
        said.append(
            (
                f"Run {beside.run} passes the stages {order}, at most {worst:.2g} ‖y‖ away; saddles that it "
                f"found itself: {saddles}.",
                "orange",
            )
        )
    return said
