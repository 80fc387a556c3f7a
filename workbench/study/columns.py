"""What the variables of a study's data set are: units, meaning and source of each."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.record.schema import SERIES

WATCH = "KH24 Theorem 5.1, Corollary 5.4.1"
LAST, SADDLE_PREFIX, END = "last_", "saddle_", "end_"


@dataclass(frozen=True)
class ColumnSpec:
    """`units` is `1` for pure numbers and empty for text; `source`: paper and equation, or what says it."""

    units: str
    long_name: str
    source: str = "workbench"


MEMBERS: dict[str, ColumnSpec] = {
    "member": ColumnSpec("1", "number of the member in its study"),
    "status": ColumnSpec("", "how the member ended"),
    "reason": ColumnSpec("", "why it failed or diverged"),
    "last_step": ColumnSpec("1", "last step", "gradient descent iteration, LL20 §2"),
    "seconds": ColumnSpec("s", "seconds of stepping and looking"),
    "saddle_count": ColumnSpec("1", "number of saddles met", "KH24 §1, saddle-to-saddle dynamics"),
}
SADDLES: dict[str, ColumnSpec] = {
    "step": ColumnSpec("1", "step at which the saddle was told", WATCH),
    "time": ColumnSpec("1", "flow time at which the saddle was told", WATCH),
    "log_risk": ColumnSpec("1", "natural logarithm of the risk 𝓛 at the saddle", "LL20 App. K.2"),
    "verdict": ColumnSpec("", "verdict on the saddle", WATCH),
    "evidence": ColumnSpec("", "what the verdict rests on", WATCH),
    "leaver": ColumnSpec("1", "neuron that leaves the saddle first", WATCH),
    "escape_step": ColumnSpec("1", "steps until the first neuron left the saddle", WATCH),
    "escape_time": ColumnSpec("1", "flow time until the first neuron left the saddle", WATCH),
    "target": ColumnSpec(
        "1", "KKT point the first leaver goes to, a row of the member's own points", WATCH
    ),
    "target_value": ColumnSpec(
        "1", "correlation N at the first leaver's KKT point", "KH24 eq. (11)"
    ),
    "target_kind": ColumnSpec("", "kind of the first leaver's KKT point", "KH24 eq. (11)"),
    "target_direction": ColumnSpec(
        "1", "direction of the first leaver's KKT point", "KH24 Corollary 5.4.1"
    ),
    "neuron_target": ColumnSpec(
        "1", "KKT point each neuron goes to, a row of the member's own points", WATCH
    ),
}
ENDS: dict[str, ColumnSpec] = {
    "separated_step": ColumnSpec(
        "1", "step t_0 from which on the risk separates the samples", "LL20 §4"
    ),
    "separated_time": ColumnSpec(
        "1", "training time t_0 from which on the risk separates the samples", "LL20 §4"
    ),
    "verdict": ColumnSpec("", "verdict on the last state", WATCH),
    "verdict_reason": ColumnSpec("", "what the verdict on the last state rests on", WATCH),
    "margin_kkt_epsilon": ColumnSpec("1", "ε of the last state's (ε, δ)-KKT point", "LL20 Thm 4.4"),
    "margin_kkt_delta": ColumnSpec("1", "δ of the last state's (ε, δ)-KKT point", "LL20 Thm 4.4"),
    "margin_kkt_polished": ColumnSpec(
        "1", "whether a KKT point of the margin problem was found by polishing", "LL20 Thm 4.4"
    ),
    "optimality": ColumnSpec("", "optimality of the max-margin limit", "VSS22 §3"),
    "optimality_reason": ColumnSpec("", "what the optimality rests on", "VSS22 §3"),
    "optimality_norm2": ColumnSpec("1", "‖θ‖² of the polished point of margin 1", "VSS22 eq. (2)"),
}


def spec_of(name: str) -> ColumnSpec:
    """The spec of a variable of the data set: of a member, a series, a saddle or an end."""
    if name in MEMBERS:
        return MEMBERS[name]
    for prefix, specs in ((SADDLE_PREFIX, SADDLES), (END, ENDS)):
        column = name.removeprefix(prefix)
        if column != name and column in specs:
            return specs[column]
    base, where = name, ""
    for prefix, words in ((LAST, " at the last step"), (END, " at the end")):
        if name.startswith(prefix):
            base, where = name.removeprefix(prefix), words
    if base in SERIES:
        known = SERIES[base]
        return ColumnSpec(known.units, known.long_name + where, known.source)
    return ColumnSpec("1", base.replace("_", " ") + where)


AXES = {"saddle_target_direction": ("target_component",), "saddle_neuron_target": ("neuron",)}


def tail_dims(name: str, count: int) -> tuple[str, ...]:
    """Names of the axes that a series, a last value, θ or a saddle's array has beside those of its members,
    its steps and its saddles."""
    base = name.removeprefix(LAST)
    known = AXES.get(name) or (SERIES[base].dims if base in SERIES else ())
    return known if len(known) == count else tuple(f"{base}_axis_{k}" for k in range(count))
