"""The pages that a notebook shows, read back: well formed, without a tag that nobody meant."""

from __future__ import annotations

from html.parser import HTMLParser

TAGS = {
    "div",
    "strong",
    "small",
    "br",
    "progress",
    "table",
    "caption",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
}


class Cells(HTMLParser):
    """The texts of a page, by table; refuses tags that are not closed, and all but a few kinds."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tables: dict[str, list[str]] = {"": []}
        self.here = ""
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        assert tag in TAGS
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        assert "\x1b" not in data
        if "caption" in self.open:
            self.here = data
            self.tables[data] = []
        else:
            self.tables[self.here].append(data)
