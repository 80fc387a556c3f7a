"""Making a study's folder: all of it, or nothing."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from workbench.config.study import StudyConfig, study_to_toml
from workbench.errors import StorageError, clean_text
from workbench.record.atomic import sync_folder, write_error, write_text
from workbench.record.folder import new_run_id, validate_name
from workbench.record.schema import STUDY_FILE
from workbench.record.study_origin import write_origin
from workbench.study.folder import SHARDS
from workbench.study.grid import grid_of
from workbench.study.plan import Plan, plan_of, write_plan

UNNAMED = "study"
_TRIES = 16


def create_study(config: StudyConfig, runs_dir: Path, plan: Plan | None = None) -> Path:
    """The folder of a new study, with its study.toml and its plan; nothing is run yet.

    It is made under a hidden name and then renamed, so that nobody ever sees half of one. `plan`: the
    configuration's, where it has been made already.

    Raises:
        BadInput: a member's settings do not fit, or the name cannot be one.
        StorageError: the runs folder is a file, read-only, or full; nothing is left behind.
    """
    if config.name:
        validate_name(config.name)
    plan = plan or plan_of(config, grid_of(config))
    runs_dir = Path(runs_dir)
    shown = clean_text(str(runs_dir))
    try:
        runs_dir.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise StorageError(f"the runs folder '{shown}' is a file, or lies in one.") from None
    except OSError as error:
        raise write_error(runs_dir, error) from error
    study_id = new_run_id(config.name or UNNAMED)
    hidden = runs_dir / f".{study_id}.new"
    try:
        (hidden / SHARDS).mkdir(parents=True)
        write_text(hidden / STUDY_FILE, study_to_toml(config))
        write_origin(hidden)
        write_plan(hidden, plan)
        return _put(hidden, runs_dir, config.name or UNNAMED)
    except OSError as error:
        raise write_error(runs_dir / study_id, error) from error
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def _put(hidden: Path, runs_dir: Path, slug: str) -> Path:
    """Give the folder a name that nothing has."""
    for _ in range(_TRIES):
        folder = runs_dir / new_run_id(slug)
        try:
            os.rename(hidden, folder)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                raise
            continue
        sync_folder(runs_dir)
        return folder
    raise StorageError(f"no free name for a study in '{clean_text(str(runs_dir))}'.")
