"""A CUDA graph on the CPU: every operation of a recording, repeated on the very tensors it had."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import ClassVar

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Recording(TorchDispatchMode):
    def __init__(self, into):
        super().__init__()
        self.into = into

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        self.into.append((func, args, kwargs or {}, found))
        return found


class RecordedGraph:
    """In the place of torch.cuda.CUDAGraph: what ran while it was recorded, without what it changed."""

    made: ClassVar[list[RecordedGraph]] = []

    def __init__(self):
        self.operations, self.replays = [], 0
        self.made.append(self)

    def replay(self):
        self.replays += 1
        with torch.no_grad():
            for func, args, kwargs, found in self.operations:
                again = func(*args, **kwargs)
                for old, new in zip(tree_leaves(found), tree_leaves(again), strict=True):
                    if isinstance(old, Tensor) and old.data_ptr() != new.data_ptr():
                        old.detach().copy_(new.detach())

    def pool(self):
        return ("pool", 0)


class Stream:
    """In the place of a stream: who waited for whom."""

    def __init__(self, device=None):
        self.waited = []

    def wait_stream(self, other):
        self.waited.append(other)


def install(monkeypatch, lasting):
    """Put them in; `lasting()` are the tensors that recording must leave as they were. Returns what was used:
    the graphs, and the stream of every recording."""
    current, used = Stream(), []

    @contextmanager
    def graph(recorded, pool=None, stream=None, capture_error_mode="global"):
        used.append((stream, pool, capture_error_mode))
        tensors = lasting()
        held = [tensor.clone() for tensor in tensors]
        with Recording(recorded.operations):
            yield
        with torch.no_grad():
            for tensor, before in zip(tensors, held, strict=True):
                tensor.copy_(before)

    RecordedGraph.made = []
    monkeypatch.setattr(torch.cuda, "CUDAGraph", RecordedGraph)
    monkeypatch.setattr(torch.cuda, "graph", graph)
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device=None: current)
    return RecordedGraph.made, used
