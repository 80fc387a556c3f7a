"""The lines around the page of a study: how far it has come, the keys, and what to do where nothing is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from workbench.protocol.status import status_of
from workbench.tui.study.look import StudyLook
from workbench.tui.widgets.cells import Grid, clip, text_width
from workbench.tui.widgets.keyline import KeyHint
from workbench.tui.widgets.numbers import duration, thousands
from workbench.tui.widgets.painted import Painted
from workbench.tui.widgets.palette import Palette

BAR = 10
PARTS = ("heat", "bands", "rose", "table")
"""The parts of the page, in the order of tab."""


@dataclass(frozen=True)
class StudyLine:
    """The top line: state and name, then (rank, text, colour) parts; the highest rank goes first."""

    state: str = "starting"
    name: str = ""
    parts: tuple[tuple[int, str, str], ...] = ()


def study_line(look: StudyLook, eta: float | None, shown: int, note: str) -> StudyLine:
    """How far a study has come. `shown`: members that fit the filter; `note`: filter or mistake."""
    ended = int(look.over.sum())
    done = f"{thousands(ended)}/{thousands(look.count)} members"
    if ended == look.count:
        done = f"{thousands(look.count)} members done"
    elif look.live:
        full = BAR * ended // max(1, look.count)
        done = f"{'█' * full}{'░' * (BAR - full)} {done}"
    parts = [(0, done, "text")]
    for state, rank, ink in (
        ("failed", 1, "min"),
        ("diverged", 2, "min"),
        ("lost", 2, "warn"),
        ("missing", 3, "warn"),
        ("stalled", 6, "warn"),
    ):
        if count := look.how_many(state):
            parts.append((rank, f"{thousands(count)} {state}", ink))
    if eta is not None and look.live:
        parts.append((1, f"eta {duration(eta)}", "text"))
    if ended < look.count and not look.live:
        parts.append((5, f"to go on: workbench resume {look.folder.name}", "bar_text"))
    if note:
        parts.append((2, f"{thousands(shown)} shown: {note}", "warn"))
    return StudyLine(look.state, look.name, tuple(parts))


def draw_line(model: StudyLine | None, width: int, height: int, palette: Palette) -> Grid:
    """The line as a picture; no part is cut, the name only where nothing else can go."""
    grid = Grid(width, height, palette, back=palette.ink("bar"))
    if model is None or height < 1:
        return grid
    state = status_of(model.state)
    column = grid.text(0, 1 if width > 20 else 0, state.glyph, state.ink)
    column = grid.text(0, column + 1, state.word, state.ink) + 1
    kept = list(model.parts)

    def size() -> int:
        return sum(text_width(palette.say(text)) + 2 for _, text, _ in kept)

    least = min(text_width(palette.say(model.name)), 16)
    while len(kept) > 1 and column + least + size() > width:
        kept.remove(max(kept))
    room = width - column - size() - 1
    column = grid.text(0, column, clip(palette.say(model.name), max(0, room)), "bright", bold=True)
    for _, text, ink in kept:
        column = grid.text(0, column + 2, text, ink)
    return grid


class StudyHeader(Painted[StudyLine]):
    """The top line."""

    DEFAULT_CSS = "StudyHeader { height: 1; }"

    def draw(self, model: StudyLine | None, width: int, height: int) -> Grid:
        return draw_line(model, width, height, self.palette)


def key_hints(part: str, *, filtering: bool, single: bool, back: str) -> Iterator[KeyHint]:
    """The keys shown at the bottom, those of the selected part first."""
    if filtering:
        yield KeyHint("enter", "keep", 0)
        yield KeyHint("esc", "undo", 0)
        yield KeyHint("", "init.scale>=1e-2 state=failed saddles>1 words", 1)
        return
    yield KeyHint("tab", "page" if single else "part", 1)
    if part == "heat":
        yield KeyHint("↑↓←→", "tile", 4)
        yield KeyHint("enter", "its members", 1)
        yield KeyHint("O", "outcome", 0)
        yield KeyHint("x", "across", 3)
        yield KeyHint("V", "up", 4)
    elif part == "bands":
        yield KeyHint("←→", "cursor", 3)
        yield KeyHint("C", "series", 0)
        yield KeyHint("a", "bands by", 1)
        yield KeyHint("y", "log x", 5)
    elif part == "rose":
        yield KeyHint("d", "first / last / directions", 1)
    else:
        yield KeyHint("↑↓", "member", 4)
        yield KeyHint("enter", "open as a run", 0)
        yield KeyHint("t", "sort", 2)
        yield KeyHint("T", "reverse", 5)
    yield KeyHint("/", "filter", 2)
    if not single:
        yield KeyHint("z", "zoom", 4)
    yield KeyHint("?", "help", 1)
    yield KeyHint("esc", back, 2)


def nothing_yet(look: StudyLook) -> str:
    """Why a picture has nothing to show, and what to do."""
    if look.how_many("waiting", "missing") == look.count and not look.live:
        return f"no member has begun; to go on: workbench resume {look.folder.name}"
    return "nothing recorded yet"
