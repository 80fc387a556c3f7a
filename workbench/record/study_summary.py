"""One line about a study, cheap enough to make for every study of a folder."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.errors import StorageError, clean_text
from workbench.protocol.status import RunStatus
from workbench.record.folder import list_studies, study_name
from workbench.record.lock import is_alive
from workbench.record.notes import read_notes
from workbench.record.shard_file import read_shard
from workbench.record.study_origin import study_created, study_made_at
from workbench.record.subject import STUDY

PLAN_FILE, SHARDS = "plan.json", "shards"
ENDED = ("finished", "stalled", "diverged")
"""Members that have nothing left to do, whatever they came to."""
FAILED = ("failed", "lost")
UNREADABLE = "missing"


@dataclass(frozen=True)
class StudySummary:
    """What a list shows of a study. `members`: how many there are, `by_status` how many are what, as the
    shards' files say: those of a shard that has not begun are waiting. `reason` says why one is unreadable;
    `tags` and `note` are a person's.
    """

    study_id: str
    path: Path
    name: str = ""
    status: RunStatus = RunStatus.UNREADABLE
    created: str = ""
    modified: float = 0.0
    made: float = 0.0
    members: int = 0
    by_status: Mapping[str, int] = field(default_factory=dict)
    reason: str = ""
    tags: tuple[str, ...] = ()
    note: str = ""

    @property
    def ended(self) -> int:
        """Members that came to an end."""
        return sum(self.by_status.get(status, 0) for status in ENDED)

    @property
    def failed(self) -> int:
        """Members that failed or were lost."""
        return sum(self.by_status.get(status, 0) for status in FAILED)


def study_summaries(runs_dir: Path) -> list[StudySummary]:
    """What is to be said of all studies, newest first; raises as `folder.run_folders`."""
    return [summarize_study(folder) for folder in list_studies(runs_dir)]


def summarize_study(folder: Path) -> StudySummary:
    """Sum up a study from its plan and its shards' statuses; never raises."""
    folder = Path(folder)
    study_id = clean_text(folder.name, 120)
    made, notes = study_made_at(folder), read_notes(folder)
    try:
        shards = _shards(folder)
        by_status, modified = _counted(folder, shards)
    except StorageError as error:
        return StudySummary(
            study_id, folder, made=made, reason=str(error), tags=notes.tags, note=notes.note
        )
    return StudySummary(
        study_id=study_id,
        path=folder,
        name=clean_text(study_name(folder), 80),
        status=_status(folder, by_status),
        created=clean_text(study_created(folder), 40),
        modified=modified,
        made=made,
        members=sum(by_status.values()),
        by_status=by_status,
        tags=notes.tags,
        note=notes.note,
    )


def _shards(folder: Path) -> dict[int, list[int]]:
    """The members of every shard, by plan.json."""
    path = folder / PLAN_FILE
    try:
        table: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {int(s["number"]): [int(k) for k in s["members"]] for s in table["shards"]}
    except OSError as error:
        raise StorageError(f"no {PLAN_FILE} can be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise StorageError(f"{PLAN_FILE} is damaged.") from error


def _counted(folder: Path, shards: Mapping[int, list[int]]) -> tuple[Counter[str], float]:
    """How many members have each status, and when a file was last written."""
    found: Counter[str] = Counter()
    modified = _written(folder / PLAN_FILE)
    for number, members in shards.items():
        path = folder / SHARDS / f"{number:04d}.h5"
        written = _written(path)
        modified = max(modified, written)
        if not written:
            found["waiting"] += len(members)
            continue
        try:
            table = read_shard(path, ("member/number", "member/status")).member
            said = dict(zip(table["number"].tolist(), table["status"].tolist(), strict=True))
        except (StorageError, KeyError, ValueError):
            said = {}
        found.update(clean_text(said.get(k, UNREADABLE), 20) for k in members)
    return found, modified


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _status(folder: Path, by_status: Counter[str]) -> RunStatus:
    """What the study is doing: a driver that is gone without having given its claim back has lost it."""
    if is_alive(folder, STUDY):
        return RunStatus.RUNNING
    total = sum(by_status.values())
    ended = sum(by_status[status] for status in ENDED)
    if ended == total:
        return RunStatus.FINISHED
    if (folder / STUDY.heartbeat_name).exists():
        return RunStatus.LOST
    if ended + sum(by_status[status] for status in FAILED) == total:
        return RunStatus.FAILED
    return RunStatus.STOPPED
