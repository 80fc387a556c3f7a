"""What keys ask of a run that trains, here or in another process: pause, steps, a goal, a checkpoint."""

from __future__ import annotations

from workbench.tui.controls import Controls


class Steered:
    """Mixed in before a Screen that has `controls`."""

    controls: Controls

    def action_pause(self) -> None:
        """Pause, or go on."""
        self.controls.pause_or_go_on()

    def action_step(self, n: int) -> None:
        """Take n steps and pause."""
        self.controls.step(n)

    def action_step_n(self) -> None:
        """Ask for n."""
        self.controls.ask_step()

    def action_until(self) -> None:
        """Ask for a step, a risk, or the next saddle to run until."""
        self.controls.ask_until("risk 1e-3")

    def action_checkpoint(self) -> None:
        """Write a checkpoint now."""
        self.controls.checkpoint()
