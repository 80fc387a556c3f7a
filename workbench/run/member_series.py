"""Chosen series of many members: from a block's rows to arrays by record and member."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

import numpy as np

from workbench.arrays import Array
from workbench.engine.member_rows import PARTS, MemberRows
from workbench.errors import WorkbenchError, clean_text, unknown
from workbench.measures.layers import LayerMeasures
from workbench.measures.panel import Measure, Panel
from workbench.measures.series.held_out import HELD_OUT
from workbench.measures.series.kernel_distance import KERNEL_DISTANCE
from workbench.measures.series.layers import LAYERS
from workbench.measures.series.margins import SMALLEST
from workbench.measures.series.sharpness import SHARPNESS
from workbench.measures.series.weight_decay import WEIGHT_DECAY
from workbench.measures.unit_margin import UnitMargin
from workbench.run.experiment import max_margin_of
from workbench.run.kernel_predictor import kernel_predictor_of
from workbench.run.members import MemberBlock
from workbench.run.sharpness import stability_of

RISK = "log_risk"
"""Measured in any case: a member whose risk is no finite number has diverged."""


@dataclass(frozen=True)
class Fault:
    """Where something raised, and what it said, in a sentence."""

    at: int
    reason: str


class MemberSeries:
    """Some of the series that the members' runs have, with the bits that they have there.

    What depends on a row and on what all members share is measured for all rows at once. What looks back at
    a start, or at a network or samples that are not everybody's, is measured member by member.

    Raises:
        BadInput: a run of the configuration has no series of that name.
    """

    def __init__(self, block: MemberBlock, names: Collection[str]) -> None:
        panel = block.first.panel
        have = panel.compute(panel.probe())
        for name in names:
            if name not in have:
                raise unknown("series", name, have, "the series of members")
        self.names = tuple(dict.fromkeys(names))
        self.shapes = {name: have[name].shape[1:] for name in self.names}
        chosen = _only(panel, {*names, RISK})
        self.parts = tuple(part for part in PARTS if part != "gradient" or _needs(chosen, names))
        alone = _looking_further(block, chosen)
        own_alone = not block.one_dataset
        self._together = replace(
            chosen,
            measures=tuple(m for m in chosen.measures if m not in alone),
            own=() if own_alone else chosen.own,
        )
        rest = replace(chosen, measures=alone, own=chosen.own if own_alone else ())
        some = bool(rest.measures or rest.own)
        self._alone = tuple(_panels(block, rest)) if some else ()

    def compute(self, found: MemberRows) -> dict[str, Array]:
        """The series and `log_risk`, (R, M, …) each; NaN where a member has no row."""
        values = self._together.compute(found.rows)
        wanted = {*self.names, RISK}
        tables = {n: found.table(array) for n, array in values.items() if n in wanted}
        for k, panel in enumerate(self._alone):
            which = np.flatnonzero(found.member == k)
            for name, array in panel.compute(found.rows_of(k)).items():
                if name not in wanted:
                    continue
                if name not in tables:
                    shape = (found.records, found.members, *array.shape[1:])
                    tables[name] = np.full(shape, np.nan)
                tables[name][found.record[which], k] = array
        return tables

    def compute_apart(self, found: MemberRows) -> tuple[dict[str, Array], dict[int, Fault]]:
        """The same; who has a record that a measure raises for has none from there on, and its fault is told
        by member, `at` a record of the table."""
        try:
            return self.compute(found), {}
        except Exception:  # noqa: BLE001  (somebody's own measure must cost one member only)
            pass
        faults: dict[int, Fault] = {}
        good = np.ones(len(found.member), dtype=bool)
        for row, (k, record) in enumerate(zip(found.member, found.record, strict=True)):
            if k in faults:
                good[row] = False
                continue
            try:
                self.compute(found.only(np.arange(len(good)) == row))
            except Exception as error:  # noqa: BLE001  (as above)
                faults[int(k)] = Fault(int(record), said(error))
                good[row] = False
        if good.any():
            return self.compute(found.only(good)), faults
        shape = found.records, found.members
        names = dict.fromkeys((*self.names, RISK))
        return {n: np.full((*shape, *self.shapes.get(n, ())), np.nan) for n in names}, faults


def said(error: Exception) -> str:
    """What somebody's code raised, in a sentence."""
    if isinstance(error, WorkbenchError):
        return clean_text(str(error), 400)
    words = clean_text(str(error), 300).rstrip(".")
    kind = type(error).__name__
    return f"{kind}: {words}." if words else f"{kind} was raised."


def _only(panel: Panel, names: Collection[str]) -> Panel:
    """The panel with no more measures than these series need."""
    return replace(
        panel,
        measures=tuple(m for m in panel.measures if any(s.name in names for s in m.series)),
        own=tuple(series for series in panel.own if series.name in names),
    )


def _needs(panel: Panel, names: Collection[str]) -> bool:
    """Whether one of the series is measured on the gradient: then it is NaN where that is."""
    if panel.own:
        return True
    probe = panel.probe()
    blind = panel.compute(replace(probe, gradient=np.full_like(probe.gradient, np.nan)))
    return any(np.isnan(blind[name]).any() for name in names)


def _looking_further(block: MemberBlock, panel: Panel) -> tuple[Measure, ...]:
    """The measures that depend on more than a row and what all members share."""
    first = block.networks[0]
    if not block.one_dataset:
        labels = [network.dataset.y for network in block.networks]
        if any(not np.array_equal(y, labels[0]) for y in labels[1:]):
            return panel.measures
    found: list[Measure] = []
    if panel.layers is not None and any(m is not None for m in panel.layers.matrices):
        found.append(LAYERS)
    one_module = all(network.model is first.model for network in block.networks)
    if panel.unit is not None and not (one_module and block.one_dataset):
        found.append(SMALLEST)
    if panel.held is not None and not (one_module and block.one_dataset):
        found.append(HELD_OUT)
    if panel.kernel is not None:
        found.append(KERNEL_DISTANCE)
    if panel.sharpness is not None:
        # Step sizes may differ too.
        found.append(SHARPNESS)
    decays = {network.config.train.weight_decay for network in block.networks}
    if len(decays) > 1:
        found.append(WEIGHT_DECAY)
    return tuple(m for m in panel.measures if m in found)


def _panels(block: MemberBlock, panel: Panel) -> Iterator[Panel]:
    """The panel of every member with the measures of `panel`."""
    svm = panel.layers.svm if panel.layers is not None else None
    for network, start in zip(block.networks, block.starts, strict=True):
        dataset, structure = network.dataset, network.structure
        if LAYERS in panel.measures and not block.one_dataset:
            svm, _ = max_margin_of(network)
        layers = LayerMeasures(structure, start, svm)
        unit = panel.unit and UnitMargin(network.model, dataset.x, dataset.y)
        test = dataset.test
        held = None
        if panel.held is not None and test is not None:
            held = panel.held.of(network.model, test)
        own = tuple(replace(series, x=dataset.x, y=dataset.y) for series in panel.own)
        sharpness = panel.sharpness and panel.sharpness.of(network.model, dataset.x, dataset.y)
        yield replace(
            panel,
            structure=structure,
            y=dataset.y,
            layers=layers,
            unit=unit,
            own=own,
            held=held,
            sharpness=sharpness,
            stability=stability_of(network.config),
            weight_decay=network.config.train.weight_decay,
            kernel=panel.kernel and kernel_predictor_of(network, start),
        )
