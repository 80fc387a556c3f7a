"""What the keys do here, read from the bindings that are live beneath."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual.app import App
from textual.binding import ActiveBinding, Binding, BindingType
from textual.screen import Screen

from workbench.tui.dialogs import Sheet, palette_of
from workbench.tui.widgets.cells import text_width
from workbench.tui.widgets.palette import Palette

LEGEND = (
    ("log₁₀L", "the risk as a power of ten; γ̄ the smallest normalized margin"),
    ("ε δ", "how far θ is from a KKT point of the margin problem: gradient, tight constraints"),
    ("γ~ γ^", "margins that the flow, and descent with small steps, never lower"),
    ("γ a in ℓ∞", "margin, and cosine of θ and −∇L, in the norm that the step rule is steepest in"),
    ("▲ ▼ ◆ ▬ •", "KKT points of the correlation N: maximum, minimum, saddle, flat, not known"),
    ("● ○", "in the compass: an input, its label positive, negative; ━ a neuron, long if large"),
    ("┊", "across the charts: a saddle that was found, and brighter where the cursor is"),
    ("×  ▼  ▲", "at a chart's edge: no number, too low for the axis, infinite"),
    ("▸ ▦", "the part that keys go to; a study among the runs"),
)
_NAMES = {
    "left": "←",
    "right": "→",
    "up": "↑",
    "down": "↓",
    "escape": "esc",
    "slash": "/",
    "question_mark": "?",
    "pageup": "pgup",
    "pagedown": "pgdn",
    "full_stop": ".",
    "comma": ",",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "left_curly_bracket": "{",
    "right_curly_bracket": "}",
    "left_parenthesis": "(",
    "right_parenthesis": ")",
    "backslash": "\\",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "plus": "+",
    "equals_sign": "=",
    "minus": "-",
}


@dataclass(frozen=True)
class HelpRow:
    """The keys of one action, and what it does."""

    keys: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class HelpGroup:
    """Where the keys work, and the keys."""

    title: str
    rows: tuple[HelpRow, ...]


def key_name(key: str, display: str | None = None) -> str:
    """A key as people write it: `ctrl+p`, `←`, `S`."""
    if display:
        return display
    *modifiers, last = key.split("+")
    if last.startswith("upper_") or (modifiers == ["shift"] and len(last) == 1):
        return last.removeprefix("upper_").upper()
    return "+".join([*modifiers, _NAMES.get(last, last)])


def help_groups(bindings: Mapping[str, ActiveBinding]) -> tuple[HelpGroup, ...]:
    """Live bindings by group: a binding's own group, else the node it belongs to.

    Keys of one action are put together; bindings without a description are left out.
    """
    found: dict[str, dict[tuple[str, str], list[str]]] = {}
    for key, active in bindings.items():
        binding = active.binding
        if not binding.description or not active.enabled or binding.system:
            continue
        if binding.action in _TEXTUALS_OWN and active.node.parent is active.node.app:
            continue
        rows = found.setdefault(_group(active), {})
        names = rows.setdefault((binding.action, binding.description), [])
        name = key_name(key, binding.key_display)
        if name not in names:
            names.append(name)
    order = sorted(found, key=lambda title: (title == EVERYWHERE, title != HERE))
    return tuple(
        HelpGroup(
            title, tuple(HelpRow(tuple(keys), text) for (_, text), keys in found[title].items())
        )
        for title in order
    )


HERE, EVERYWHERE = "here", "everywhere"
_TEXTUALS_OWN = {"app.focus_next", "app.focus_previous", "screen.copy_text"}
"""Actions that every screen has from Textual."""


def _group(active: ActiveBinding) -> str:
    if active.binding.group is not None and active.binding.group.description:
        return active.binding.group.description
    if isinstance(active.node, App):
        return EVERYWHERE
    if isinstance(active.node, Screen):
        return HERE
    return str(getattr(active.node, "HELP_NAME", "where the focus is"))


def draw_help(groups: Sequence[HelpGroup], width: int, palette: Palette) -> Text:
    """The groups as lines of `keys  what they do`, in as many columns as fit."""
    say = palette.say
    rows = [row for group in groups for row in group.rows]
    keys = max((text_width(say(" ".join(row.keys))) for row in rows), default=0)
    texts = max((text_width(say(row.text)) for row in rows), default=0)
    columns = max(1, min(3, width // (keys + texts + 4)))
    cell = width // columns
    ink = {name: f"#{palette.ink(name):06x}" for name in ("bright", "text", "dim", "cyan")}
    text = Text()
    for group in groups:
        text.append(say(group.title) + "\n", style=ink["cyan"])
        height = -(-len(group.rows) // columns)
        for line in range(height):
            for row in group.rows[line::height]:
                front, back = say(" ".join(row.keys)), say(row.text)
                text.append(front, style=f"bold {ink['bright']}")
                text.append(" " * (keys - text_width(front) + 2))
                text.append(back, style=ink["text"])
                text.append(" " * max(2, cell - keys - 2 - text_width(back)))
            text.rstrip()
            text.append("\n")
        text.append("\n")
    widest = max(text_width(say(glyphs)) for glyphs, _ in LEGEND)
    for glyphs, meaning in LEGEND:
        front = say(glyphs)
        text.append(front + " " * (widest - text_width(front) + 2), style=ink["bright"])
        text.append(say(meaning) + "\n", style=ink["dim"])
    text.rstrip()
    return text


class HelpScreen(Sheet):
    """The keys of the screen beneath; any of `esc`, `?`, `q`, `enter` closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter", "close", "close"),
    ]

    def __init__(self) -> None:
        super().__init__("keys")
        self.groups: tuple[HelpGroup, ...] = ()

    def on_mount(self) -> None:
        """Read the bindings of the screen beneath, now that it is beneath."""
        stack = self.app.screen_stack
        below = stack[stack.index(self) - 1] if self in stack else self
        self.groups = help_groups(below.active_bindings)
        self.call_after_refresh(self._fill)

    def on_resize(self) -> None:
        """Arrange the columns anew."""
        self.call_after_refresh(self._fill)

    def _fill(self) -> None:
        self.write(draw_help(self.groups, self.room, palette_of(self)))
