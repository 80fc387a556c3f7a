"""A member of a study as a full run of its own: what `workbench run STUDY/137` trains."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.config.run import RunConfig
from workbench.config.toml import override, parse_config
from workbench.presets import load_config

if TYPE_CHECKING:
    from workbench.study.stored import StoredStudy

_MEMBER = re.compile(r"(.+)/(\d{1,9})")
ENGINES = ("eager", "kernel", "captured")
"""Those that device.engine names; a flow's integrator follows from the network."""


def run_source(source: str, settings: Iterable[str], runs_dir: Path) -> tuple[RunConfig, str]:
    """The configuration of a preset, a TOML file, or a member STUDY/NUMBER, and what that came from: the
    preset's name, the study's id and the member's number, nothing for a file.

    Raises:
        BadInput: there is no such preset, file, study or member, or a setting does not fit.
    """
    member = _MEMBER.fullmatch(source)
    if member is None or Path(source).expanduser().is_file():
        is_file = source.endswith(".toml") or "/" in source
        return load_config(source, settings), "" if is_file else source
    from workbench.record.folder import find_study
    from workbench.study.stored import StoredStudy

    study = StoredStudy(find_study(runs_dir, member[1]))
    number = int(member[2])
    config = full_run(study, number)
    if changes := list(settings):
        table = config.model_dump(mode="python", by_alias=True, exclude_none=True)
        config = parse_config(override(table, changes), "--set")
    return config, f"{study.study_id}/{number}"


def full_run(study: StoredStudy, member: int) -> RunConfig:
    """The configuration of a run that takes the very steps of a member.

    It is stepped by the engine and on the kind of device that its shard was, once that has begun.

    Raises:
        BadInput: there is no such member.
    """
    from workbench.record.folder import LONGEST_NAME
    from workbench.record.shard_file import read_shard
    from workbench.study.folder import shard_path

    config = study.member_config(member)
    device = config.device
    path = shard_path(study.folder, study.plan.shard_of[member])
    if path.exists():
        begun = read_shard(path, ("member/number",)).attributes
        engine, kind = str(begun["engine"]), str(begun["device"])
        found = {"kind": "cuda" if kind.startswith("cuda") else "cpu"}
        device = device.model_copy(
            update={**found, **({"engine": engine} if engine in ENGINES else {})}
        )
    number = f" {member}"
    name = f"{study.name[: LONGEST_NAME - len(number)]}{number}"
    return config.model_copy(update={"name": name, "device": device})
