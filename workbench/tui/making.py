"""What a run screen makes its session with: a new run, one that goes on, a fork. Torch waits until then."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.run.forking import ForkPush
    from workbench.run.session import Session

Make = Callable[[], "Session"]


def created(source: str, settings: list[str], runs_dir: Path) -> Make:
    """A new run of a preset, a file or a study's member."""

    def make() -> Session:
        from workbench.run.session import Session
        from workbench.study.member import run_source

        config, preset = run_source(source, settings, runs_dir)
        return Session.create(config, runs_dir, preset=preset, attended=True)

    return make


def resumed(folder: Path, steps: int | None, trust: bool, restart: bool = False) -> Make:
    """A stored run that goes on."""

    def make() -> Session:
        from workbench.run.session import Session

        return Session.resume(folder, steps=steps, trust=trust, attended=True, restart=restart)

    return make


def forked(
    folder: Path,
    at: int,
    settings: list[str],
    runs_dir: Path,
    trust: bool,
    push: ForkPush | None = None,
) -> Make:
    """A new run from a stored state, pushed first where that is asked."""

    def make() -> Session:
        from workbench.run.session import Session

        return Session.fork(
            folder, at, runs_dir, settings=settings, push=push, trust=trust, attended=True
        )

    return make
