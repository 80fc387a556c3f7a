"""What a claim is on: a run, a study, or a shard of one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from workbench.errors import clean_text
from workbench.record.schema import RUN_FILE


@dataclass(frozen=True)
class Subject:
    """Something in a folder that one process at a time has for itself.

    Attributes:
        stem: what the names of its files begin with: `run.lock`, `run.heartbeat`.
        noun: what it is called in a sentence.
        doing: what a process does that has it, as in "is being written".
        guarded: a file that is only ever written in place while it is claimed, so that another one under its
            name is another subject's; empty where files are replaced whole.
        fenced: whether the folder's files are written in place, and so are copied to new ones when the claim
            of a process is taken over that may wake again.
        above: how many folders above its own the one lies that it is named for.
    """

    stem: str
    noun: str
    doing: str
    guarded: str = ""
    fenced: bool = False
    above: int = 0

    @property
    def lock_name(self) -> str:
        """The file that is locked."""
        return f"{self.stem}.lock"

    @property
    def heartbeat_name(self) -> str:
        """The file that is renewed."""
        return f"{self.stem}.heartbeat"

    @property
    def files(self) -> tuple[str, str]:
        """What belongs to who has the claim, and not to what is claimed."""
        return self.lock_name, self.heartbeat_name

    def named(self, folder: Path) -> str:
        """`run '20260131-120000-x-1a2b'`."""
        place = folder.resolve()
        for _ in range(self.above):
            place = place.parent
        return f"{self.noun} '{clean_text(place.name, 120)}'"


RUN = Subject("run", "run", "written", guarded=RUN_FILE, fenced=True)
STUDY = Subject("study", "study", "driven")


def shard_subject(number: int) -> Subject:
    """A shard, whose files lie in its study's folder `shards`."""
    return Subject(f"{number:04d}", f"shard {number} of study", "run", above=1)
