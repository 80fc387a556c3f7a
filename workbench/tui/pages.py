"""The page of every route. Each is loaded when it is first asked for: some need torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from textual.screen import Screen

from workbench.tui.routes import (
    OpenBrowse,
    OpenInspector,
    OpenLaunch,
    OpenLayers,
    OpenPursuit,
    OpenReplay,
    OpenStudy,
    OpenVerdict,
    Route,
)


def page_of(route: Route, runs_dir: Path, training: Path | None) -> Screen[Any]:
    """The page of a route; `training`: the folder of the run that this process trains.

    Raises ValueError for a route that leads to no page of its own.
    """
    match route:
        case OpenBrowse():
            from workbench.tui.browse.screen import BrowseScreen

            return BrowseScreen(runs_dir)
        case OpenLaunch():
            from workbench.tui.launch.screen import LaunchScreen

            return LaunchScreen()
        case OpenStudy(folder):
            from workbench.tui.study.screen import StudyScreen

            return StudyScreen(folder)
        case OpenReplay(folder):
            return stored_page(folder, training)
        case OpenInspector(subject):
            from workbench.tui.inspect.screen import InspectorScreen

            return InspectorScreen(subject)
        case OpenLayers(subject):
            from workbench.tui.layers.screen import LayersScreen

            return LayersScreen(subject)
        case OpenVerdict(run, state, status, known):
            from workbench.tui.verdict.screen import VerdictScreen

            return VerdictScreen(run, state, known, status)
        case OpenPursuit(what, output):
            from workbench.tui.pursue.screen import PursueScreen

            return PursueScreen(what, output)
    raise ValueError(f"{type(route).__name__} is no page.")


def stored_page(folder: Path, training: Path | None) -> Screen[None]:
    """A run in its files; where another process of this machine trains it, with its controls."""
    from workbench.run.link import link_to
    from workbench.tui.run.attached import AttachedScreen
    from workbench.tui.run.replay import ReplayScreen

    own = training is not None and training.resolve() == folder.resolve()
    link = None if own else link_to(folder)
    return ReplayScreen(folder) if link is None else AttachedScreen(folder, link)
