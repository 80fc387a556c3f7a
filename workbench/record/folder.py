"""The runs folder: how runs and studies are named, made, listed and found.

<runs dir>/<yyyymmdd-hhmmss>-<slug>-<4 hex>/   config.toml  run.h5  run.lock  run.heartbeat  checkpoints/
                                             log.txt
<runs dir>/<yyyymmdd-hhmmss>-<slug>-<4 hex>/   study.toml  plan.json  origin.json  study.lock  study.heartbeat
                                             shards/  log.txt
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import tomllib
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from workbench.errors import BadInput, StorageError, clean_text, unknown
from workbench.record.age import made_at, root_text
from workbench.record.atomic import sync_folder, write_error, write_text
from workbench.record.checkpoint import FOLDER as CHECKPOINTS
from workbench.record.index import RunIndex
from workbench.record.lock import LOCK_NAME
from workbench.record.reader import RunReader
from workbench.record.schema import CONFIG_FILE, RUN_FILE, STUDY_FILE
from workbench.record.study_origin import study_made_at
from workbench.record.summary import RunSummary

LOG_FILE = "log.txt"
LONGEST_NAME = 64
LONGEST_SLUG = 40
_CANDIDATES = 8
_LARGEST_STUDY_FILE = 16 << 20
_RUN_ID = re.compile(r"\d{8}-\d{6}-[a-z0-9-]+-[0-9a-f]{4}")


def default_runs_dir() -> Path:
    """`$WORKBENCH_RUNS` if set, else `runs` in the current folder."""
    return Path(os.environ.get("WORKBENCH_RUNS") or "runs")


def validate_name(name: str) -> str:
    """A run's name, unchanged, if it can be shown and cannot lead out of the runs folder.

    Raises:
        BadInput: it is empty, longer than 64 characters, begins with a dot or a dash, or holds a
            path separator or a character that cannot be printed.
    """
    shown = clean_text(name, 80)
    if not name.strip():
        raise BadInput("a run's name cannot be empty.")
    if len(name) > LONGEST_NAME:
        raise BadInput(f"the name '{shown}' is longer than {LONGEST_NAME} characters.")
    if name[0] in ".-":
        raise BadInput(f"the name '{shown}' begins with '{name[0]}', which a run's name cannot.")
    if "/" in name or "\\" in name or not name.isprintable():
        raise BadInput(f"the name '{shown}' holds a path separator or a control character.")
    return name


def slugify(text: str) -> str:
    """`text` as a piece of a folder name: a–z, 0–9 and single dashes, at most 40, never empty."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:LONGEST_SLUG].strip("-") or "run"


def new_run_id(slug: str, now: datetime | None = None) -> str:
    """`<yyyymmdd-hhmmss>-<slug>-<4 hex>`, local time."""
    moment = now or datetime.now()
    return f"{moment:%Y%m%d-%H%M%S}-{slugify(slug)}-{secrets.token_hex(2)}"


def create_run_folder(runs_dir: Path, slug: str) -> Path:
    """Make a new run's folder, and the runs folder if it is missing.

    Raises:
        StorageError: the runs folder is a file, read-only, or cannot be made.
    """
    runs_dir = Path(runs_dir)
    try:
        runs_dir.mkdir(parents=True, exist_ok=True)
        for _ in range(16):
            folder = runs_dir / new_run_id(slug)
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            try:
                (folder / CHECKPOINTS).mkdir()
                sync_folder(runs_dir)
            except BaseException:
                remove_start(folder)
                raise
            return folder
    except (FileExistsError, NotADirectoryError):
        place = clean_text(str(runs_dir))
        raise StorageError(f"the runs folder '{place}' is a file, or lies in one.") from None
    except OSError as error:
        raise write_error(runs_dir, error) from error
    raise StorageError(f"no free name for a run in '{clean_text(str(runs_dir))}'.")


def write_config(folder: Path, text: str) -> Path:
    """Write the run's `config.toml` atomically; raises StorageError."""
    path = Path(folder) / CONFIG_FILE
    write_text(path, text)
    return path


def remove_start(folder: Path) -> None:
    """Remove the folder of a run that never began; one that resists stays, and is listed as unreadable."""
    shutil.rmtree(folder, ignore_errors=True)


def holds_study(folder: Path) -> bool:
    """Whether a folder is a study's, by its study.toml."""
    try:
        return (folder / STUDY_FILE).exists()
    except OSError:
        return False


def holds_run(folder: Path) -> bool:
    """Whether a folder is a run's, by its files or its name; one that cannot be looked into counts."""
    try:
        if holds_study(folder):
            return False
        files = any((folder / name).exists() for name in (RUN_FILE, CONFIG_FILE, LOCK_NAME))
    except OSError:
        return True
    return files or _RUN_ID.fullmatch(folder.name) is not None


def _leaves(entry: Path, runs_dir: Path) -> bool:
    """Whether an entry is a link that leads out of the runs folder."""
    return entry.is_symlink() and not entry.resolve().is_relative_to(runs_dir.resolve())


def _is_run(entry: Path, runs_dir: Path) -> bool:
    """Whether an entry of the runs folder is a run; what cannot be told from outside is one, to be listed."""
    try:
        if _leaves(entry, runs_dir):
            return False
        is_folder = entry.is_dir()
    except RuntimeError:  # a link that leads to itself
        return False
    except OSError:
        return True
    return is_folder and holds_run(entry)


def _is_study(entry: Path, runs_dir: Path) -> bool:
    try:
        return not _leaves(entry, runs_dir) and entry.is_dir() and holds_study(entry)
    except (OSError, RuntimeError):
        return False


def run_folders(runs_dir: Path) -> list[Path]:
    """The run folders, by name, backwards; none if the runs folder is missing.

    Links that lead out of the runs folder are left out. A run that cannot be entered or read hides
    no other: it is in the list.

    Raises:
        BadInput: the runs folder is a file.
        StorageError: it cannot be read.
    """
    return _folders(Path(runs_dir), _is_run)


def study_folders(runs_dir: Path) -> list[Path]:
    """The studies' folders, by name, backwards; links and errors as `run_folders`."""
    return _folders(Path(runs_dir), _is_study)


def _folders(runs_dir: Path, wanted: Callable[[Path, Path], bool]) -> list[Path]:
    try:
        entries = [entry for entry in runs_dir.iterdir() if entry.name[0] != "."]
    except FileNotFoundError:
        return []
    except NotADirectoryError:
        raise BadInput(f"the runs folder '{clean_text(str(runs_dir))}' is a file.") from None
    except OSError as error:
        name = clean_text(str(runs_dir))
        raise StorageError(f"cannot list '{name}': {clean_text(str(error))}.") from error
    return sorted((entry for entry in entries if wanted(entry, runs_dir)), reverse=True)


def list_runs(runs_dir: Path) -> list[Path]:
    """The run folders, newest first by what their files say; of a run and a link to it the run first.

    Raises as `run_folders`.
    """
    index = RunIndex(runs_dir)
    return sorted(run_folders(runs_dir), key=lambda folder: _age(folder, index), reverse=True)


def list_studies(runs_dir: Path) -> list[Path]:
    """The studies' folders, newest first by what their files say; raises as `run_folders`."""
    found = study_folders(runs_dir)
    return sorted(found, key=lambda f: (study_made_at(f), not f.is_symlink(), f.name), reverse=True)


def _age(folder: Path, index: RunIndex) -> tuple[float, bool, str]:
    """Sorts runs by when they were made, a link before the run it leads to."""
    try:
        is_link = folder.is_symlink()
    except OSError:
        is_link = False
    known = index.known(folder)
    return made_at(folder) if known is None else known.made, not is_link, folder.name


def summaries(
    runs_dir: Path,
    progress: Callable[[float], None] = lambda fraction: None,
    series: Sequence[str] = (),
) -> list[RunSummary]:
    """What is to be said of all runs, newest first, with the last values of some series; `progress` is told
    the fraction that is done.

    Raises as `run_folders`.
    """
    folders = run_folders(runs_dir)
    index = RunIndex(runs_dir)
    found = []
    try:
        for done, folder in enumerate(folders, start=1):
            found.append(index.summary(folder, series))
            progress(done / len(folders))
    finally:
        index.save([folder.name for folder in folders])
    return sorted(found, key=lambda summary: summary.made, reverse=True)


def run_name(folder: Path) -> str:
    """The run's `name` attribute, empty if it has none or cannot be read."""
    try:
        return root_text(folder, "name")
    except StorageError:
        pass  # A torn header is seen as it was before by a reader only.
    try:
        with RunReader(folder) as reader:
            return str(reader.attributes.get("name", ""))
    except StorageError:
        return ""


@dataclass(frozen=True)
class _Kind:
    """What is looked for: its names in a sentence, the folders that there are, which files lie in them."""

    noun: str
    plural: str
    folders: Callable[[Path], list[Path]]
    newest: Callable[[Path], list[Path]]
    holds: Callable[[Path], bool]
    files: tuple[str, ...]


def resolve_run(reference: str, runs_dir: Path) -> Path:
    """The folder of the run a person means.

    Tried in this order: `last` (the newest run, by what the files say), an id, a path (to a run's
    folder or its `run.h5`), a unique prefix of an id, a run's name.

    Raises:
        BadInput: nothing fits (with the nearest known), several do (with the candidates), it is a study, or
            the id is a link that leads out of the runs folder.
        StorageError: the runs folder cannot be read.
    """
    try:
        return _resolved(reference, Path(runs_dir), _RUNS)
    except BadInput:
        if reference != "last" and (study := _if_study(reference, Path(runs_dir))):
            raise BadInput(
                f"'{clean_text(study.name, 120)}' is a study, and a run is needed; a member of it becomes "
                f"a run by: workbench run {clean_text(study.name, 120)}/0"
            ) from None
        raise


def find_study(runs_dir: Path, reference: str) -> Path:
    """The folder of the study a person means; `last` is the newest one. As `resolve_run`."""
    return _resolved(reference, Path(runs_dir), _STUDIES)


def find_run_or_study(runs_dir: Path, reference: str) -> Path:
    """The folder of the run or study a person means; `last` is the newest of both. As `resolve_run`."""
    return _resolved(reference, Path(runs_dir), _EITHER)


def _if_study(reference: str, runs_dir: Path) -> Path | None:
    try:
        return find_study(runs_dir, reference)
    except (BadInput, StorageError):
        return None


def _resolved(reference: str, runs_dir: Path, kind: _Kind) -> Path:
    shown, place = clean_text(reference, 80), clean_text(str(runs_dir))
    if not reference.strip() or "\0" in reference:
        raise BadInput(
            f"a {kind.noun} is named by its id, a prefix of it, its name, a path, or 'last'."
        )
    if reference == "last":
        newest = kind.newest(runs_dir)
        if not newest:
            raise BadInput(f"there are no {kind.plural} in '{place}' yet.")
        return newest[0]
    found = kind.folders(runs_dir)
    for folder in found:
        if folder.name == reference:
            return folder
    by_path = _by_path(reference, runs_dir, kind)
    if by_path is not None:
        return by_path
    matches = [folder for folder in found if folder.name.startswith(reference)]
    names = [] if matches else _names(found, runs_dir)
    matches = matches or [run for run, name in zip(found, names, strict=True) if name == reference]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise _ambiguous(shown, matches, kind)
    if not found:
        raise BadInput(f"no {kind.noun} '{shown}': there are no {kind.plural} in '{place}' yet.")
    raise unknown(kind.noun, reference, {folder.name for folder in found} | set(names) - {""})


def study_name(folder: Path) -> str:
    """The study's `name`, empty if it has none or study.toml cannot be read."""
    try:
        with (folder / STUDY_FILE).open("rb") as file:
            raw = file.read(_LARGEST_STUDY_FILE)
        return str(tomllib.loads(raw.decode().removeprefix("\ufeff")).get("name", ""))
    except (OSError, ValueError, RecursionError):
        return ""


def _names(found: Sequence[Path], runs_dir: Path) -> list[str]:
    """The names of runs and studies, which stand in their files."""
    index = RunIndex(runs_dir)
    names = []
    for folder in found:
        if holds_study(folder):
            names.append(study_name(folder))
        else:
            known = index.known(folder)
            names.append(run_name(folder) if known is None else known.name)
    return names


def _by_path(reference: str, runs_dir: Path, kind: _Kind) -> Path | None:
    """A run or study given by its path, None if the reference is no such path."""
    path = Path(reference).expanduser()
    try:
        if os.sep not in reference and _leaves(runs_dir / reference, runs_dir):
            raise BadInput(
                f"{kind.noun} '{clean_text(reference, 80)}' is a link out of the runs folder; "
                "give the path it leads to."
            )
        if path.is_dir() and kind.holds(path):
            return path
        if path.is_file() and path.name in kind.files:
            return path.parent
        if os.sep in reference:
            raise BadInput(f"there is no {kind.noun} at '{clean_text(reference)}'.")
    except (OSError, RuntimeError, ValueError) as error:
        raise BadInput(f"no {kind.noun} at '{clean_text(reference, 80)}': {error}.") from error
    return None


def _ambiguous(shown: str, matches: list[Path], kind: _Kind) -> BadInput:
    names = ", ".join(clean_text(folder.name, 80) for folder in matches[:_CANDIDATES])
    more = len(matches) - _CANDIDATES
    rest = f" and {more} more" if more > 0 else ""
    return BadInput(f"'{shown}' fits {len(matches)} {kind.plural}: {names}{rest}.")


def _both(runs_dir: Path) -> list[Path]:
    return sorted([*run_folders(runs_dir), *study_folders(runs_dir)], reverse=True)


def _newest_of_both(runs_dir: Path) -> list[Path]:
    """The newest run and the newest study, the newer one first."""
    ages = [(made_at(folder), folder) for folder in list_runs(runs_dir)[:1]]
    ages += [(study_made_at(folder), folder) for folder in list_studies(runs_dir)[:1]]
    return [folder for _, folder in sorted(ages, reverse=True)]


_RUNS = _Kind("run", "runs", run_folders, list_runs, holds_run, (RUN_FILE,))
_STUDIES = _Kind("study", "studies", study_folders, list_studies, holds_study, (STUDY_FILE,))
_EITHER = _Kind(
    "run or study",
    "runs or studies",
    _both,
    _newest_of_both,
    lambda folder: holds_study(folder) or holds_run(folder),
    (RUN_FILE, STUDY_FILE),
)
