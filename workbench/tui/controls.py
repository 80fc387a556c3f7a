"""What can be asked of a run, by key, from any screen: pause, steps, a goal, a push, a checkpoint, a fork."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from textual.screen import Screen

from workbench.arrays import Float
from workbench.config.toml import override, parse_config, parse_toml, split_settings, to_toml
from workbench.errors import WorkbenchError
from workbench.protocol.commands import (
    Checkpoint,
    Command,
    Pause,
    Perturb,
    Resume,
    RunUntil,
    StepN,
)
from workbench.protocol.status import RunStatus
from workbench.tui.dialogs import Ask
from workbench.tui.routes import ForkRun, Go
from workbench.tui.until import parse_until

if TYPE_CHECKING:
    import numpy as np

    from workbench.config.run import RunConfig


class Trainer(Protocol):
    """Who takes commands: an engine of this process, or the link to another's."""

    @property
    def status(self) -> RunStatus:
        """The run's."""
        ...

    @property
    def ended(self) -> bool:
        """Whether nothing can be asked any more."""
        ...

    def send(self, command: Command) -> None:
        """Ask for something."""
        ...


class Controls:
    """Commands to a trainer, as a screen asks for them; where one cannot be sent, the screen says why.

    `trainer` None: nothing trains here, and `absent` says why. `after_end`: what can be done with a
    run that has ended.
    """

    def __init__(
        self, screen: Screen[Any], trainer: Trainer | None, *, absent: str, after_end: str
    ) -> None:
        self.screen = screen
        self.trainer = trainer
        self.absent = absent
        self.after_end = after_end
        self.last_n = 100

    @property
    def paused(self) -> bool:
        """Whether the run waits."""
        return self.trainer is not None and self.trainer.status is RunStatus.PAUSED

    @property
    def ended(self) -> bool:
        """Whether there was a run that has ended."""
        return self.trainer is not None and self.trainer.ended

    @property
    def able(self) -> bool:
        """Whether there is a run that takes commands."""
        return self.trainer is not None and not self.trainer.ended

    def allowed(self) -> bool:
        """Whether the run takes commands; says why not."""
        if self.trainer is None:
            self.screen.notify(self.absent)
        elif self.trainer.ended:
            self.screen.notify(f"this run is {self.trainer.status}; {self.after_end}")
        return self.able

    def send(self, command: Command) -> bool:
        """Send a command; False, with the reason said, where there is no run to take it."""
        if not self.allowed() or self.trainer is None:
            return False
        try:
            self.trainer.send(command)
        except WorkbenchError as error:
            self.screen.notify(str(error), severity="warning", markup=False)
            return False
        return True

    def pause_or_go_on(self) -> bool:
        """Pause, or go on."""
        return self.send(Resume() if self.paused else Pause())

    def go_on(self) -> bool:
        """Train on."""
        return self.send(Resume())

    def step(self, n: int) -> bool:
        """Take n steps and pause."""
        return self.send(StepN(n))

    def next_saddle(self) -> bool:
        """Train until the next saddle is seen."""
        return self.send(RunUntil(next_saddle=True))

    def checkpoint(self) -> bool:
        """Write a checkpoint now."""
        return self.send(Checkpoint())

    def push(self, delta: Float[np.ndarray, " P"], text: str) -> bool:
        """Add `delta` (P) to θ; `text` says it in the run's events."""
        return self.send(Perturb(delta, text))

    def ask_step(self) -> None:
        """Ask for a number of steps, and take them."""

        def go(text: str | None) -> None:
            if text:
                self.last_n = int(text.replace(",", ""))
                self.step(self.last_n)

        if self.allowed():
            self.screen.app.push_screen(
                Ask("how many steps?", value=str(self.last_n), check=steps_mistake, replace=True),
                go,
            )

    def ask_until(self, value: str, then: Callable[[], object] | None = None) -> None:
        """Ask for a step, a risk, or the next saddle to run until; `then` is called once it is sent."""

        def go(text: str | None) -> None:
            if text and self.send(parse_until(text)) and then is not None:
                then()

        if self.allowed():
            self.screen.app.push_screen(
                Ask(
                    "run until?",
                    value=value,
                    hint="step 20000 · risk 1e-6 · risk 1e-400 · saddle",
                    check=_until_mistake,
                    replace=True,
                ),
                go,
            )


def steps_mistake(text: str) -> str | None:
    """What is wrong with a number of steps, or None."""
    plain = text.strip().replace(",", "")
    if plain.isdigit() and 0 < int(plain) < 10**12:
        return None
    return "a whole number of steps, 1 or more"


def _until_mistake(text: str) -> str | None:
    try:
        parse_until(text)
    except WorkbenchError as error:
        return str(error)
    return None


# --- forks --------------------------------------------------------------------------------------


def fork_mistake(config: RunConfig | None, text: str, step: int) -> str | None:
    """What is wrong with the settings of a fork at a step, in a sentence; None: nothing.

    `config` None: the run's own is not known, and only the form of the settings can be checked.
    """
    try:
        settings = split_settings(text)
        if config is None:
            return None
        found = parse_config(override(parse_toml(to_toml(config), "config"), settings), "--set")
    except WorkbenchError as error:
        return str(error)
    if found.train.steps <= step:
        return (
            f"train.steps is {found.train.steps:,}, not beyond step {step:,}: "
            f"give {_end_after(step)}, say."
        )
    return None


def _end_after(step: int) -> str:
    """A setting that a fork at the end of a run cannot do without."""
    return f"train.steps={2 * max(step, 500)}"


def ask_fork(
    screen: Screen[Any], folder: Path, step: int, config: RunConfig | None, note: str = ""
) -> None:
    """Ask for the settings of a fork of a run at a step; only settings that are valid lead there."""

    def go(text: str | None) -> None:
        if text is not None:
            screen.post_message(Go(ForkRun(folder, step, tuple(split_settings(text)))))

    past_end = config is not None and config.train.steps <= step
    screen.app.push_screen(
        Ask(
            f"fork at step {step:,} with which settings?{note}",
            value=_end_after(step) if past_end else "",
            hint="train.lr=1e-4 train.steps=90000 · empty: none",
            check=lambda text: fork_mistake(config, text, step),
        ),
        go,
    )
