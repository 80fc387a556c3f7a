"""The tables of `docs/files.md`, from what the code says a file holds: `make docs`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from workbench.record.schema import SERIES, STEP
from workbench.record.tables import TABLES, columns_of

PAGE = Path(__file__).parent / "files.md"


def series_table() -> list[str]:
    """A line a series."""
    return _table(
        ("series", "axes", "units", "what", "source"),
        (
            (f"`{s.name}`", ", ".join((STEP, *s.dims)), s.units, s.long_name, s.source)
            for s in SERIES.values()
        ),
    )


def column_table(table: str) -> list[str]:
    """A line a column of one of the tables of inspections."""
    return _table(
        ("column", "units", "what", "source"),
        ((f"`{c.name}`", c.units, c.long_name, c.source) for c in columns_of(table, 1)),
    )


def page(text: str) -> str:
    """The page with every table anew, between its two marks."""
    for name, lines in _blocks().items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, _, rest = text.partition(begin)
        after = rest.partition(end)[2]
        text = f"{before}{begin}" + "\n".join(lines) + f"\n{end}{after}"
    return text


def _blocks() -> dict[str, list[str]]:
    return {"series": series_table(), **{table: column_table(table) for table in TABLES}}


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    names = list(head)
    body = [_line(cell.replace("|", "\\|").replace("<", "\\<") for cell in row) for row in rows]
    return [_line(names), _line("---" for _ in names), *body]


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
