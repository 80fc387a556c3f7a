"""Where a GPU's memory ends, the run fails with a sentence."""

from __future__ import annotations

import pytest
import torch
from cases import small

from workbench.errors import WorkbenchError
from workbench.run.session import Session


def test_the_end_of_a_gpu_s_memory_is_told_in_a_sentence(tmp_path, monkeypatch):
    session = Session.create(small("train.steps=50"), tmp_path)

    def full(*given):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 93.13 GiB.\nGPU 0 has")

    monkeypatch.setattr(session.engine.program, "run_chunk", full)
    session.start()
    assert session.wait(60)
    session.close()
    assert session.engine.status == "failed"
    with pytest.raises(
        WorkbenchError, match=r"GPU's memory ended at step 0; .*train\.batch"
    ) as told:
        raise session.engine.error
    assert "\n" not in str(told.value)
    assert isinstance(told.value.__cause__, torch.OutOfMemoryError)
