"""What the threads that read a study tell its page."""

from __future__ import annotations

from textual.message import Message

from workbench.errors import clean_text
from workbench.tui.study.bands import Group
from workbench.tui.study.look import StudyLook


class LookRead(Message):
    """The folder was looked at; `look` None: it is as it was."""

    def __init__(self, look: StudyLook | None, mistake: str = "") -> None:
        super().__init__()
        self.look, self.mistake = look, clean_text(mistake)


class BandsRead(Message):
    """The bands that `wanted` names were read."""

    def __init__(self, wanted: object, groups: list[Group], mistake: str = "") -> None:
        super().__init__()
        self.wanted, self.groups, self.mistake = wanted, groups, clean_text(mistake)
