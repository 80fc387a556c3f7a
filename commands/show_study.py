"""What `workbench show` says of a study: its grid, its members by status, who failed and why, outcomes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from commands import formats
from workbench.errors import BadInput, StorageError, clean_text
from workbench.record.study_summary import summarize_study

if TYPE_CHECKING:
    from workbench.study.outcome import Outcome
    from workbench.study.stored import StoredStudy

NAMED = 20
"""Failed members that are named in the text; --json names all."""
LONG_LIST = 8
LONGEST_LINE = 10_000


def describe_study(folder: Path) -> dict[str, Any]:
    """What a study's folder says of it, as plain values.

    Raises:
        BadInput: study.toml cannot be used.
        StorageError: the plan cannot be read.
    """
    from workbench.study.stored import StoredStudy

    study = StoredStudy(folder)
    summary, progress, outcomes = summarize_study(folder), study.progress(), study.outcomes()
    return {
        "kind": "study",
        "study_id": study.study_id,
        "path": str(folder),
        "name": study.config.name,
        "description": study.config.base.description,
        "status": summary.status,
        "driver": _driver(folder),
        "created": summary.created,
        "tags": list(summary.tags),
        "note": summary.note,
        "grid": [
            {"keys": list(d.keys), "choices": len(d), "values": [list(v) for v in d.values]}
            for d in study.grid.dimensions
        ],
        "members": len(outcomes),
        "by_status": {status.value: n for status, n in progress.members.items()},
        "member_steps": progress.steps_done,
        "member_steps_total": progress.steps_total,
        "shards": progress.shards,
        "shards_done": progress.shards_done,
        "seconds": progress.seconds,
        "unfinished": [_member(o) for o in outcomes if o.reason or o.status.value == "failed"],
        "shard_problems": {str(n): why for n, why in study.problems().items()},
        "saddles": _saddles(outcomes),
        "targets": _targets(study),
        "config": dict(study.config.table),
    }


def _driver(folder: Path) -> dict[str, Any] | None:
    """Who drives the study, or drove it when it was lost; None once it has been left in order."""
    from workbench.record.heartbeat import last_seen, read_beat
    from workbench.record.lock import lock_holder
    from workbench.record.subject import STUDY

    try:
        beats = read_beat(folder, STUDY.heartbeat_name) is not None
    except OSError:
        beats = True
    holder = lock_holder(folder, STUDY) if beats else None
    if holder is None:
        return None
    seen = f"{last_seen(holder.seen)} " if holder.seen else ""
    text = f"{seen}on {holder.host} (pid {holder.pid})"
    found = {"pid": holder.pid, "host": holder.host, "since": holder.since}
    return found | {"last_seen": holder.seen, "text": text}


def _member(outcome: Outcome) -> dict[str, Any]:
    """A member that did not come to a good end, by its number and its settings."""
    return {
        "member": outcome.number,
        "settings": dict(outcome.settings),
        "status": outcome.status.value,
        "step": outcome.last_step,
        "reason": outcome.reason,
    }


def _saddles(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """How many members passed how many saddles."""
    counts = Counter(len(outcome.saddles) for outcome in outcomes)
    return {"by_member": {str(n): counts[n] for n in sorted(counts)}}


def _targets(study: StoredStudy) -> list[dict[str, Any]]:
    """The KKT points that first leavers of the first saddle go to, by share; none where none is known."""
    from workbench.study.gather import study_dataset
    from workbench.study.targets import targets_of

    try:
        found = targets_of(study_dataset(study))
    except (BadInput, StorageError):
        return []
    return [
        {
            "kind": point.kind,
            "value": point.value,
            "direction": point.direction.tolist(),
            "members": share.count,
            "of": share.total,
            "share": share.value,
            "low": share.low,
            "high": share.high,
        }
        for point, share in zip(found.points, found.shares(), strict=True)
    ]


# --- for people ---


def study_lines(found: Mapping[str, Any]) -> list[str]:
    """The description as text for people."""
    done = found["by_status"]
    counted = ", ".join(f"{n:,} {status}" for status, n in done.items())
    share = found["member_steps"] / max(1, found["member_steps_total"])
    lines = [
        found["study_id"],
        f"  {found['status']}  {found['members']:,} members: {counted}",
        f"  {share:.0%} of {found['member_steps_total']:,} member-steps, "
        f"{found['shards_done']:,} of {found['shards']:,} shards done, {found['seconds']:,.0f} s of work",
        *([f"  {found['driver']['text']}"] if found["driver"] else []),
        f"  {found['path']}",
        *([f"  {found['description']}"] if found["description"] else []),
        *([f"  tags: {' '.join(found['tags'])}"] if found["tags"] else []),
        *([f"  note: {found['note']}"] if found["note"] else []),
        "",
        "grid",
        *(_dimension(dimension) for dimension in found["grid"]),
    ]
    if found["unfinished"]:
        lines += ["", "failed, lost or diverged", *map(_ending, found["unfinished"][:NAMED])]
        if len(found["unfinished"]) > NAMED:
            lines.append(f"  … {len(found['unfinished']) - NAMED:,} more: --json")
    lines += [f"  shard {n}: {why}" for n, why in found["shard_problems"].items()]
    met = {int(n): count for n, count in found["saddles"]["by_member"].items() if int(n)}
    lines += ["", "saddles", *(f"  {n}: {count:,} members" for n, count in met.items())]
    if not met:
        lines.append("  none")
    if found["targets"]:
        lines += ["", "KKT points that the first to leave the first saddle goes to"]
        lines += [_target(target) for target in found["targets"][:NAMED]]
    # What is shown is somebody's.
    return [clean_text(line, LONGEST_LINE) for line in lines]


def _dimension(dimension: Mapping[str, Any]) -> str:
    keys, values = dimension["keys"], dimension["values"]
    shown = [_choice(choice) for choice in values]
    if len(shown) > LONG_LIST:
        shown = [*shown[: LONG_LIST // 2], "…", shown[-1]]
    return f"  {' with '.join(keys)}  {len(values):,} choices: {', '.join(shown)}"


def _choice(choice: Sequence[Any]) -> str:
    return " with ".join(_value(value) for value in choice)


def _value(value: Any) -> str:
    return formats.number(value, 6) if isinstance(value, float) else clean_text(str(value), 60)


def _ending(member: Mapping[str, Any]) -> str:
    settings = ", ".join(f"{key}={_value(value)}" for key, value in member["settings"].items())
    reason = f": {member['reason']}" if member["reason"] else ""
    return f"  {member['member']:>7,}  {member['status']}  at step {member['step']:,}  {settings}{reason}"


def _target(target: Mapping[str, Any]) -> str:
    direction = ", ".join(f"{v:.3f}" for v in target["direction"][:LONG_LIST])
    return (
        f"  {target['share']:6.1%}  {target['members']:,} of {target['of']:,}  {target['kind']}  "
        f"N = {target['value']:.4g}  at ({direction})"
    )
