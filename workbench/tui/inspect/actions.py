"""What can be done from the inspector: step, push, run on, checkpoint, fork."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from textual.screen import Screen

from workbench.errors import WorkbenchError
from workbench.tui.dialogs import Ask
from workbench.tui.inspect import words as show
from workbench.tui.inspect.examined import Examined, LiveSubject, StoredSubject
from workbench.tui.inspect.push import delta_of, likely_neuron, parse_push, push_words
from workbench.tui.unbroken import Unbroken

if TYPE_CHECKING:
    from workbench.protocol.commands import Command


class InspectorActions(Unbroken, Screen[None]):
    """Commands to the run that is looked into; a subclass says what is chosen, and draws."""

    def __init__(self, subject: LiveSubject | StoredSubject) -> None:
        super().__init__()
        self.subject = subject
        self.examined: Examined | None = None
        self.seen: object = None

    def chosen_point(self) -> int | None:
        """The KKT point that is meant."""
        raise NotImplementedError

    def look_again(self) -> None:
        """Look when another state is there."""
        raise NotImplementedError

    @property
    def ended(self) -> bool:
        """Whether there is no run to go on with."""
        return not isinstance(self.subject, LiveSubject) or self.subject.session.engine.ended

    def _send(self, command: Command) -> bool:
        """Send a command to the run; says why not where there is none."""
        if not isinstance(self.subject, LiveSubject):
            self.notify("this is a stored run: f forks it here, r on its screen resumes it")
        elif self.subject.session.engine.ended:
            self.notify(f"this run is {self.subject.session.engine.mode}")
        else:
            self.subject.session.engine.send(command)
            return True
        return False

    def action_go_on(self) -> None:
        """Train on, on the run's screen."""
        from workbench.protocol.commands import Resume

        if self._send(Resume()):
            self.app.pop_screen()

    def action_step(self, n: int) -> None:
        """Take n steps and look again."""
        from workbench.protocol.commands import StepN

        self._send(StepN(n))

    def action_step_n(self) -> None:
        """Ask for n."""
        from workbench.tui.run.screen import whole_number

        def go(text: str | None) -> None:
            if text:
                self.action_step(int(text.replace(",", "")))

        if self._able():
            self.app.push_screen(
                Ask("how many steps?", value="100", check=whole_number, replace=True), go
            )

    def action_next_saddle(self) -> None:
        """Train until the next saddle is seen, on the run's screen."""
        from workbench.protocol.commands import RunUntil

        if self._send(RunUntil(next_saddle=True)):
            self.app.pop_screen()

    def action_until(self) -> None:
        """Train until a step, a risk, or the next saddle, on the run's screen."""
        from workbench.tui.run.screen import ask_until

        def go(command: Command) -> None:
            if self._send(command):
                self.app.pop_screen()

        if self._able():
            ask_until(self.app, go, "saddle")

    def action_checkpoint(self) -> None:
        """Write a checkpoint now."""
        from workbench.protocol.commands import Checkpoint

        if self._send(Checkpoint()):
            self.notify("checkpoint written", timeout=3)

    def _able(self) -> bool:
        """Whether the run takes commands; says why not."""
        if self.ended:
            self.notify("this run has ended: f forks it here")
        return not self.ended

    def action_push(self) -> None:
        """Ask how far to push which neuron along the chosen KKT direction."""
        from workbench.protocol.commands import Perturb

        examined, point = self.examined, self.chosen_point()
        if not self._able():
            return
        if examined is None or point is None or self.subject.key() is not self.seen:
            self.notify("choose a KKT point first")
            return
        inspection, state = examined.inspection, examined.state

        def problem(text: str) -> str | None:
            try:
                parse_push(text, state, inspection, point)
            except WorkbenchError as error:
                return str(error)
            return None

        def go(text: str | None) -> None:
            if not text or inspection.correlation is None:
                return
            push = parse_push(text, state, inspection, point)
            where = show.where(inspection.correlation.points[point], show.is_planar(examined))
            delta = delta_of(push, state, inspection, point)
            self._send(Perturb(delta, push_words(push, point, where)))

        neuron = likely_neuron(inspection, point)
        who = "θ" if neuron is None else f"neuron {neuron}"
        size = float(np.linalg.norm(state.theta) if neuron is None else state.neuron_norm[neuron])
        hint = "a length" if neuron is None else f"1e-3 · 1e-3 neuron {neuron} · 1e-3 all"
        self.app.push_screen(
            Ask(
                f"push {who} along KKT point {point} by how much? (its norm is {size:.3g})",
                value=f"{size:.2g}",
                hint=hint,
                check=problem,
                replace=True,
            ),
            go,
        )

    def action_fork(self) -> None:
        """A new run from this state; a live run is stopped first, with a checkpoint."""
        step = self.examined.inspection.step if self.examined is not None else None
        if step is None:
            return

        def go(text: str | None) -> None:
            if text is None:
                return
            folder = (
                self.subject.session.folder
                if isinstance(self.subject, LiveSubject)
                else self.subject.folder
            )
            self.app.pop_screen()
            self.work_app.fork_from(folder, step, text.split())

        live = isinstance(self.subject, LiveSubject) and not self.ended
        stops = " (this run stops here and can be resumed)" if live else ""
        self.app.push_screen(
            Ask(
                f"fork at step {step:,} with which settings?{stops}",
                hint="train.lr=1e-4 train.steps=90000 · empty: none",
            ),
            go,
        )

    def action_record(self, by: int) -> None:
        """Another record of a stored run."""
        if isinstance(self.subject, StoredSubject) and self.subject.moved(by):
            self.look_again()

    @property
    def work_app(self) -> Any:
        """The app, which is a WorkbenchApp (or a stand-in for it in tests)."""
        return self.app
