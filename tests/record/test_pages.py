"""Changed pages in one array against a plain dict."""

from __future__ import annotations

import random

import numpy as np

from workbench.record.journal import PAGE
from workbench.record.pages import Pages


def test_pages_are_those_of_a_dict_in_the_order_of_their_last_change() -> None:
    rng = random.Random(3)
    pages, model, framed = Pages(), dict[int, bytes](), dict[int, bytes]()
    mark = pages.changes
    for _ in range(400):
        first, count = rng.randrange(3000), rng.randrange(1, 40)
        numbers = sorted(rng.sample(range(first, first + 40), count))
        content = [rng.randbytes(PAGE) for _ in numbers]
        pages.put(np.array(numbers), np.frombuffer(b"".join(content), np.uint8).reshape(-1, PAGE))
        for number, body in zip(numbers, content, strict=True):
            for kept in (model, framed):
                kept.pop(number, None)
                kept[number] = body
        there = np.zeros((60, PAGE), np.uint8)
        pages.lay_over(first, there)
        wanted = b"".join(model.get(first + k, bytes(PAGE)) for k in range(60))
        assert there.tobytes() == wanted
        assert len(pages) == len(model)
        if rng.random() < 0.1:
            found = pages.since(mark)
            assert found[0].tolist() == list(framed)
            assert found[1].tobytes() == b"".join(framed.values())
            mark = pages.changes
            framed = {}
        if rng.random() < 0.05:
            assert pages.since(0)[0].tolist() == list(model)
            pages.clear()
            model = {}
            mark, framed = pages.changes, {}
    again = Pages.of(model)
    assert again.since(0)[1].tobytes() == b"".join(model.values())


def test_nothing_is_no_page() -> None:
    numbers, bodies = Pages().since(0)
    assert len(numbers) == 0
    assert bodies.shape == (0, PAGE)
