"""A GPU whose memory ends, as a sentence."""

from __future__ import annotations

import torch

from workbench.errors import WorkbenchError


def in_words(error: BaseException, step: int) -> BaseException:
    """What torch raises where a GPU's memory ends, as a WorkbenchError; any other error as it is."""
    if not isinstance(error, torch.OutOfMemoryError):
        return error
    found = WorkbenchError(
        f"the GPU's memory ended at step {step:,}; a smaller train.batch or network needs less, and "
        "device.kind = 'cpu' none of it."
    )
    found.__cause__ = error
    return found
