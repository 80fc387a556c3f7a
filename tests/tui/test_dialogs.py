"""Questions: answered by keyboard alone, on the smallest terminal too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.screen import Screen
from textual.widgets import Input, OptionList

from tui.fake_app import SIZES, FakeApp, screen_lines
from workbench.tui.dialogs import Ask, Choose, Confirm

UNSET = object()


class Asking:
    """An app with a dialog in front, and what the dialog answered."""

    def __init__(self, dialog: Screen[Any]) -> None:
        self.app = FakeApp(Screen(), Path("."))
        self.dialog = dialog
        self.answer: Any = UNSET

    async def press(self, size: tuple[int, int], *keys: str) -> list[str]:
        """Open the dialog, press keys, and say what is on the screen then."""
        async with self.app.run_test(size=size) as pilot:
            await pilot.pause()
            await self.app.push_screen(self.dialog, self._take)
            await pilot.pause()
            for key in keys:
                await pilot.press(key)
            await pilot.pause(0.1)
            return screen_lines(self.app)

    def _take(self, answer: Any) -> None:
        self.answer = answer


@pytest.mark.parametrize(
    ("keys", "danger", "answer"),
    [
        (("y",), True, True),
        (("n",), False, False),
        (("escape",), False, False),
        (("enter",), False, True),
        (("enter",), True, False),
        (("left", "enter"), True, True),
        (("tab", "enter"), False, False),
        (("h", "enter"), True, True),
    ],
)
async def test_confirm(keys: tuple[str, ...], danger: bool, answer: bool) -> None:
    asking = Asking(Confirm("Really?", yes="delete", no="keep", danger=danger))
    await asking.press((80, 24), *keys)
    assert asking.answer is answer


@pytest.mark.parametrize("size", SIZES)
async def test_dialogs_fit(size: tuple[int, int]) -> None:
    question = "Delete '[b]a run with quite a long name[/b]' (20260101-000000-run-abcd) for good?"
    for dialog in (
        Confirm(question, yes="delete", no="keep", danger=True),
        Ask(question, hint="a hint that is " * 6, check=lambda text: "a mistake " * 6),
        Choose(question, [(str(k), f"[i]option {k}[/i]") for k in range(9)]),
    ):
        lines = await Asking(dialog).press(size, *([] if isinstance(dialog, Confirm) else ["x"]))
        text = " ".join("".join(lines).replace("│", " ").split())
        assert "[b]a run" in text
        assert "for good?" in text
        if isinstance(dialog, Confirm):
            assert "n keep" in text
        if isinstance(dialog, Ask):
            assert "a mistake" in text
        if isinstance(dialog, Choose):
            assert "[i]option 0[/i]" in text


async def test_ask_checks_in_place() -> None:
    def check(text: str) -> str | None:
        return None if text.isdigit() else "a whole number, please."

    asking = Asking(Ask("How many?", value="1", check=check))
    lines = await asking.press((40, 15), "x", "enter")
    assert asking.answer is UNSET
    assert "a whole number, please." in " ".join(lines)

    asking = Asking(Ask("How many?", value="1", check=check))
    lines = await asking.press((40, 15), "x", "backspace", "2", "enter")
    assert asking.answer == "12"
    assert "a whole number" not in " ".join(lines)


async def test_ask_checks_what_it_began_with_too() -> None:
    asking = Asking(Ask("How many?", check=lambda text: "nothing given." if not text else None))
    lines = await asking.press((80, 24), "enter")
    assert asking.answer is UNSET
    assert "nothing given." in " ".join(lines)


async def test_leaving_answers_nothing() -> None:
    for dialog in (Ask("What?", value="x"), Choose("Which?", [("a", "A")])):
        asking = Asking(dialog)
        await asking.press((80, 24), "escape")
        assert asking.answer is None


async def test_choose() -> None:
    options = [("a", "first"), ("b", "second"), ("c", "third")]
    for keys, answer in ((["enter"], "a"), (["down", "enter"], "b"), (["j", "j", "enter"], "c")):
        asking = Asking(Choose("Which?", options))
        await asking.press((40, 15), *keys)
        assert asking.answer == answer
    asking = Asking(Choose("Which?", options))
    async with asking.app.run_test() as pilot:
        await asking.app.push_screen(asking.dialog)
        await pilot.pause()
        assert asking.dialog.query_one(OptionList).has_focus
        assert not asking.dialog.query(Input)
