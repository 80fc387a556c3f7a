"""What the compiled chunk loop needs of a network: two compiled functions and their sizes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from workbench.arrays import Array, Float
from workbench.engine.programs.kernel.compiled import Compiled


@dataclass(frozen=True, eq=False)
class NetworkKernel:
    """Φ and its pull-back for b samples, compiled: see `compiled.FORWARD` and `compiled.BACKWARD`.

    Samples are the columns of x (d, b), so that inner loops run over contiguous samples. `shape(b)`: the
    integers of both functions, the first of them b. `fixed`: numbers that are not trained. `work(b)`: how
    many numbers of room they share. `outputs`: C.
    """

    forward: Compiled
    backward: Compiled
    shape: Callable[[int], Array]
    fixed: Float[np.ndarray, " m"]
    work: Callable[[int], int]
    outputs: int = 1
