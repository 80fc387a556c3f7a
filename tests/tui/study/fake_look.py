"""Looks at studies that never were: made of formulas, with every state and some saddles."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np

from workbench.tui.study.look import Dimension, Saddles, StudyLook

KKT = np.array([[0.6, 0.8], [-0.8, 0.6], [0.1, -0.995], [-0.6, -0.8]])


def dimension(key: str, values) -> Dimension:
    return Dimension((key,), tuple(f"{v:g}" for v in values), tuple(map(float, values)))


def fake_look(
    seeds: int = 20, *, live: bool = False, planar: bool = True, widths=(10, 20, 50)
) -> StudyLook:
    """Members over init.scale × model.width × init.seed; the smaller the scale, the later the escape."""
    dims = [dimension("init.scale", (0.1, 0.03, 0.01, 0.003, 0.001))]
    if widths:
        dims.append(dimension("model.width", widths))
    dims.append(dimension("init.seed", range(seeds)))
    place = np.array(list(itertools.product(*(range(len(d.labels)) for d in dims))))
    count = len(place)
    draw = np.random.default_rng(0)
    scale = np.array(dims[0].values)[place[:, 0]]
    status = np.full(count, "finished", dtype=object)
    status[draw.random(count) < 0.01] = "failed"
    status[draw.random(count) < 0.02] = "diverged"
    if live:
        status[count * 2 // 3 :] = "running"
        status[count * 5 // 6 :] = "waiting"
    reason = np.where(status == "failed", "RuntimeError: a solver found no solution.", "")
    met = np.where(np.isin(status, ["waiting", "failed"]), 0, 1 + draw.integers(0, 3, count))
    met = np.where(scale < 0.005, met, np.minimum(met, 2))
    member = np.repeat(np.arange(count), met)
    order = np.concatenate([np.arange(n) for n in met]) if count else np.empty(0, int)
    first = 900 * np.log(1 / scale) * (1 + 0.1 * draw.standard_normal(count))
    step = np.round(first[member] * (1 + order * 0.8))
    target = draw.choice(3, member.size, p=(0.62, 0.3, 0.08))
    direction = KKT[target] + 0.004 * draw.standard_normal((member.size, 2))
    points = KKT
    if not planar:
        direction = np.hstack([direction, np.zeros((member.size, 3))])
        points = np.hstack([KKT, np.zeros((4, 3))])
    waiting = status == "waiting"
    risk = np.where(waiting, np.nan, -4.0 - 3 * draw.random(count) - met)
    return StudyLook(
        folder=Path("runs/20260101-120000-escape-1a2b"),
        name="escape-time-against-scale",
        state="running" if live else "finished",
        dimensions=tuple(dims),
        place=place,
        settings=tuple(
            {
                d.name: d.values[k] if d.name != "init.seed" else int(d.values[k])
                for d, k in zip(dims, row, strict=True)
            }
            for row in place.tolist()
        ),
        status=status,
        reason=reason.astype(object),
        step=np.where(waiting, np.nan, 50_000.0),
        last={
            "log_risk": risk,
            "margin_normalized": np.where(waiting, np.nan, 0.2 + 0.02 * draw.random(count)),
        },
        end={"separated_step": first * 2},
        saddles=Saddles(
            member=member,
            order=order,
            step=step,
            log_risk=-0.5 * np.ones(member.size),
            escape_step=step * 1.1,
            target_kind=np.array(["max", "max", "saddle"], dtype=object)[target],
            target_value=np.array([0.183, 0.151, 0.02])[target],
            direction=direction,
            point_direction=points,
            point_value=np.array([0.183, 0.151, 0.02, -0.1]),
        ),
        angles=direction_of(target, member, count, draw) if planar else None,
        norms=10.0 ** draw.uniform(-6, 0, (count, 3)),
        series=("log_risk", "rho", "margin_normalized"),
        steps_done=count * 30_000,
        steps_total=count * 50_000,
    )


def direction_of(target, member, count: int, draw) -> np.ndarray:
    """Angles of three neurons a member, two of them near where its last saddle leads."""
    angles = draw.uniform(-np.pi, np.pi, (count, 3))
    angles[member, :2] = np.arctan2(*KKT[target].T[::-1])[:, None]
    return angles + 0.05 * draw.standard_normal((count, 3))


class FakeReader:
    """Reads a look that is there already."""

    def __init__(self, look: StudyLook) -> None:
        self.now: StudyLook | None = look
        self.all = look

    def look(self) -> StudyLook | None:
        found, self.now = self.now, None
        return found

    def series(self, name: str):
        step = np.unique(np.concatenate([[0], np.geomspace(1, 50_000, 240).round()]))
        first = np.full(self.all.count, 4000.0)
        rows = self.all.saddles.order == 0
        first[self.all.saddles.member[rows]] = self.all.saddles.escape_step[rows]
        fall = np.log1p(np.exp(np.clip((step[None] - first[:, None]) / 400, -50, 50)))
        values = -0.12 * fall if name == "log_risk" else 0.01 + 0.2 * np.tanh(fall / 30)
        values[self.all.status == "waiting"] = np.nan
        return step, values
