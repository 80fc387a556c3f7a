"""Work on the device recorded once as a CUDA graph and replayed: one launch for many steps.

A graph repeats the kernels of its recording on the same memory. So the work reads and writes tensors that
stay where they are, and takes no number from Python that is another one at the next replay. On the CPU there
is nothing to record, and the work is done as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import torch
from torch import Tensor

from workbench.errors import WorkbenchError

Work = Callable[[], None]


class Graphs:
    """Recordings by key; `lasting()` gives every tensor that the work writes into and that outlives it."""

    def __init__(self, device: torch.device, lasting: Callable[[], Sequence[Tensor]]) -> None:
        self.device, self.lasting = device, lasting
        self._graphs: dict[Hashable, torch.cuda.CUDAGraph] = {}
        self._warm: set[Hashable] = set()
        self._pool: Any = None
        self._side: torch.cuda.Stream | None = None

    def forget(self) -> None:
        """What was recorded reads or writes memory that is no longer the one in use."""
        self._graphs.clear()
        # Memory that no graph holds any more is given back, and its name with it.
        self._pool = None

    def run(self, kind: Hashable, times: int, work: Work, then: Work | None = None) -> None:
        """`times` the work, and then the other; `kind` names both of them.

        The first time on a GPU the work is tried on a side stream, as libraries set themselves up in a first
        call, and what it changed is put back.
        """
        if self.device.type != "cuda":
            for _ in range(times):
                work()
            if then is not None:
                then()
            return
        key = (kind, times)
        if key not in self._graphs:
            self._graphs[key] = self._recorded(kind, times, work, then)
        self._graphs[key].replay()

    def _recorded(
        self, kind: Hashable, times: int, work: Work, then: Work | None
    ) -> torch.cuda.CUDAGraph:
        side = self._side_stream()
        if kind not in self._warm:
            self._warm_up(side, work, then)
            self._warm.add(kind)
        graph = torch.cuda.CUDAGraph()
        try:
            # Other threads go on using the GPU: only this one's calls are to be fit for a recording.
            with torch.cuda.graph(
                graph, pool=self._pool, stream=side, capture_error_mode="thread_local"
            ):
                for _ in range(times):
                    work()
                if then is not None:
                    then()
        except RuntimeError as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            said = str(error).splitlines()[0]
            raise WorkbenchError(
                f"a step of this network cannot be recorded as a CUDA graph ({said}); set device.engine = "
                "'eager'."
            ) from error
        if self._pool is None:
            # Nothing that a graph leaves behind is read by another, so that all may share their memory.
            self._pool = graph.pool()
        return graph

    def _warm_up(self, side: torch.cuda.Stream, work: Work, then: Work | None) -> None:
        """Once on the side stream, and everything back as it was."""
        lasting = self.lasting()
        held = [tensor.clone() for tensor in lasting]
        side.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(side):
            work()
            if then is not None:
                then()
        torch.cuda.current_stream(self.device).wait_stream(side)
        with torch.no_grad():
            for tensor, before in zip(lasting, held, strict=True):
                tensor.copy_(before)

    def _side_stream(self) -> torch.cuda.Stream:
        if self._side is None:
            self._side = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        return self._side
