"""Samples whose targets are their inputs: what an autoencoder is trained on."""

from __future__ import annotations

from dataclasses import replace

from workbench.data.dataset import Dataset


def reconstructing(data: Dataset) -> Dataset:
    """The inputs as targets (n, d) in place of the labels, of the held-out samples too."""
    shape = (data.n,) if data.d == 1 else (data.n, data.d)
    test = None if data.test is None else reconstructing(data.test)
    return replace(data, y=data.x.reshape(shape), test=test)
