"""Run by the damage tests in a process of its own: stored runs are damaged, and read with every command.

    python read_runs.py FOLDER FIRST LAST [KIND,KIND…]

The process imports everything once and forks; it never runs torch itself. A child asks one thing after
another of one damaged run and says how each ended; it is killed when one takes too long, and another goes
on with the next. An answer is *the same* as of the sound run, *refused* in a sentence, or *said* to be
without what is damaged; all else is wrong, and printed.

Prints a JSON object a damaged run, then one with the counts.
"""

from __future__ import annotations

import collections
import json
import os
import random
import resource
import select
import shutil
import signal
import sys
import tarfile
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from damage import KINDS as DAMAGE
from damage import damaged
from kill_kinds import settings
from read_actions import ACTIONS, Place, answer

from workbench.config.toml import parse_config, parse_toml
from workbench.record.checkpoint import list_checkpoints
from workbench.record.folder import run_folders

OLDER = Path(__file__).parents[1] / "run" / "older"
SECONDS = 60.0
ROOM = 4 << 30
REFUSED_SOUND = ("optimal", "robustness")
"""What some sound runs refuse: their samples are not separated yet."""
MOMENT = 1_700_000_000
EVERY = ("records", "minibatch", "normalized", "flow", "smoothness", "short", "older")


def forked(action: Any, room: int = 0) -> int:
    """Do something in a child that ends with it; its pid."""
    tasks = len(os.listdir("/proc/self/task"))
    if tasks != 1:
        raise SystemExit(f"{tasks} threads: forking would not be safe")
    child = os.fork()
    if child:
        return child
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if room:
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            limit = pages * resource.getpagesize() + room
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        action()
        code = 0
    except BaseException:  # noqa: BLE001  (it is told, and the child ends)
        traceback.print_exc()
        code = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


# --- the sound runs -----------------------------------------------------------------------------


def trained(kind: str, place: Path, steps: int, left: int = 0) -> None:
    """Train a run; one with `left` is left alive in its file, as by a kill, once it is at that step."""
    from workbench.run.session import Session

    table = parse_toml(settings(kind), kind)
    table["train"]["steps"] = steps
    table["checkpoint"] = {"every": max(1, steps // 4), "keep": 3}
    table["record"] = {"every": max(1, steps // 40)}
    session = Session.create(parse_config(table, kind), place)
    session.start()
    while not session.wait(0.005):
        if left and session.engine.state.step >= left and len(list_checkpoints(session.folder)) > 1:
            os._exit(0)
    session.close()


def sound_runs(folder: Path, kinds: Sequence[str]) -> dict[str, Path]:
    """A folder a sound run, by name: fresh ones, finished and left alive; `older`: those of before."""
    shutil.rmtree(folder, ignore_errors=True)
    found = {}
    for kind in (kind for kind in kinds if kind != "older"):
        steps = 40 if kind == "flow" else 400
        for name, left in ((kind, 0), (f"{kind} left", steps // 2)):
            if name.startswith("flow ") or name.startswith("smoothness "):
                continue
            long = 40_000_000 if left else steps
            place = folder / name.replace(" ", "-")
            child = forked(lambda k=kind, p=place, s=long, at=left: _train(k, p, s, at))
            if os.waitpid(child, 0)[1]:
                raise SystemExit(f"the sound run {name} failed")
            found[name] = place
    for archive in sorted(OLDER.glob("*.tar.xz")) if "older" in kinds else ():
        name = f"older {archive.name.partition('.')[0]}"
        found[name] = folder / name.replace(" ", "-")
        with tarfile.open(archive) as tar:
            tar.extractall(found[name], filter="data")
    return found


def _train(kind: str, place: Path, steps: int, left: int) -> None:
    if not left:
        return trained(kind, place, steps)
    # Left half-way: what it would still do must be short, so its end is moved in its own file.
    return trained(kind, place, 4 * left, left)


@dataclass
class Subject:
    """A sound run, and what every action gives of it."""

    name: str
    folder: Path
    step: int
    last: int
    answers: dict[str, dict[str, Any]]

    @property
    def trust(self) -> bool:
        """Whether its network is a class of somebody's own."""
        return self.name == "older torch"


def subject_of(name: str, folder: Path, work: Path) -> Subject:
    """What a sound run answers; raises SystemExit where it does not answer."""
    (run,) = run_folders(folder)
    checkpoints = list_checkpoints(run)
    step = checkpoints[0][0]
    last = checkpoints[-1][0] + 40
    found = Subject(name, folder, step, last, {})
    found.answers = {a["action"]: a for a in tried(found, work, lambda run: None)}
    for action, given in found.answers.items():
        if given["bad"] or (given["code"] and action not in REFUSED_SOUND):
            raise SystemExit(f"the sound run {name} fails to {action}: {given}")
    again = {a["action"]: a for a in tried(found, work, lambda run: None)}
    for action, given in again.items():
        if given["given"] != found.answers[action]["given"]:
            raise SystemExit(f"the sound run {name} does not {action} alike twice")
    return found


# --- trying -------------------------------------------------------------------------------------


def tried(subject: Subject, work: Path, harm: Any) -> Iterator[dict[str, Any]]:
    """How every action ends on a copy of the run that `harm` has changed."""
    names = list(ACTIONS)
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(subject.folder, work / "runs", symlinks=True)
    (work / "out").mkdir()
    place = Place(work, subject.step, subject.last, trust=subject.trust)
    harm(place.run)
    for path in [*place.run.iterdir(), place.run]:
        os.utime(path, (MOMENT, MOMENT), follow_symlinks=False)
    at = 0
    while at < len(names):
        reading, writing = os.pipe()
        child = forked(lambda first=at, to=writing: _answers(place, names[first:], to), ROOM)
        os.close(writing)
        rest, ready = b"", True
        while True:
            ready = bool(select.select([reading], [], [], SECONDS)[0])
            text = os.read(reading, 1 << 20) if ready else b""
            if not text:
                break
            *lines, rest = (rest + text).split(b"\n")
            for line in lines:
                yield json.loads(line)
                at += 1
        os.close(reading)
        if not ready:
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if at < len(names):
            end = f"crashed with {os.waitstatus_to_exitcode(status)}" if ready else "hung"
            yield {"action": names[at], "code": -1, "given": "", "said": end, "bad": end}
            at += 1


def _answers(place: Place, names: list[str], writing: int) -> None:
    for name in names:
        os.write(writing, json.dumps(answer(name, place)).encode() + b"\n")


def judged(found: dict[str, Any], sound: dict[str, Any]) -> str:
    """same, refused, said; hung, crashed, raised or wrong."""
    if found.get("bad"):
        return str(found["bad"]).split()[0]
    if all(found[key] == sound[key] for key in ("code", "given")) and (
        found["code"] == 0 or found["said"] == sound["said"]
    ):
        return "same"
    sentence = found["said"].strip().splitlines()
    if found["code"] and sentence:
        plain = all(line.isprintable() and len(line) < 2_500 for line in sentence)
        return "refused" if plain else "raised"
    if found["code"] == 0 and found.get("names_damage"):
        return "said"
    return "wrong"


def victim(run: Path, rng: random.Random) -> Path:
    """The file that is damaged: mostly run.h5, else a checkpoint."""
    if rng.random() < 0.7:
        return run / "run.h5"
    return rng.choice([path for _, path in list_checkpoints(run)])


def harming(number: int, seen: dict[str, str]) -> Any:
    """What damages a run, by number; says what it did in `seen`."""

    def harm(run: Path) -> None:
        rng = random.Random(f"damage {number}")
        path = victim(run, rng)
        kind = DAMAGE[number % len(DAMAGE)]
        seen.update(file=path.parent.name if path.name != "run.h5" else path.name, kind=kind)
        path.write_bytes(damaged(path.read_bytes(), kind, rng))

    return harm


def main() -> None:
    folder, first, last = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    kinds = sys.argv[4].split(",") if len(sys.argv) > 4 else EVERY
    folder.mkdir(parents=True, exist_ok=True)
    work = folder / "work"
    subjects = [subject_of(n, f, work) for n, f in sound_runs(folder / "sound", kinds).items()]
    counts: collections.Counter[str] = collections.Counter()
    for number in range(first, last):
        subject = subjects[(number // len(DAMAGE)) % len(subjects)]
        seen: dict[str, str] = {}
        ends = collections.Counter[str]()
        bad = []
        for found in tried(subject, work, harming(number, seen)):
            sound = subject.answers[found["action"]]
            end = judged(found, sound)
            ends[end] += 1
            if end not in ("same", "refused", "said"):
                bad.append({"end": end, "sound": sound["given"][:200], **found})
        counts += ends
        counts["files"] += 1
        line = {"number": number, "run": subject.name, **seen, "ends": ends, "bad": bad}
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
    sys.stdout.write(json.dumps({"counts": counts}) + "\n")


if __name__ == "__main__":
    main()
