"""Training and looking at once: nothing of autograd is shared between the threads that do."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

import workbench
from workbench.config.toml import parse_config
from workbench.inspector.gated_network import GatedNetwork
from workbench.measures.plane import PlaneSurface, plane_grid
from workbench.models.tangent import value_and_slope
from workbench.record.reader import RunReader
from workbench.run.session import Session

BASES = {
    "squared-relu": {"kind": "squared-relu", "width": 30},
    "deep-relu": {"kind": "deep-relu", "widths": [8, 6]},
}


def config(base, **train):
    return parse_config(
        {
            "data": {"kind": "jt20-planar", "n": 40, "margin": 0.5},
            "model": {"kind": "ntk", "base": base, "start": {"kind": "he", "seed": 2}},
            "init": {"kind": "gaussian", "scale": 0.1},
            "loss": {"kind": "logistic"},
            "train": {"rule": "normalized", "lr": 0.02, "steps": 120, **train},
            "record": {"every": 10},
            "device": {"kind": "cpu"},
        },
        "test",
    )


def look(session):
    """All of autograd that a screen asks for: prediction, tangents, curvature, gradients by sample."""
    experiment, theta = session.experiment, session.experiment.state.theta.numpy().copy()
    surface = PlaneSurface(
        experiment.model, plane_grid(experiment.dataset.x, 9, 9), experiment.dataset.x
    )
    surface.at(theta)
    surface.tangent(theta, np.ones_like(theta))
    surface.tangents(theta, experiment.dataset.x[:2])
    state = experiment.inspected(theta, step=0)
    state.risk.gradient(theta)
    state.risk.hessian_products(theta, np.ones((2, len(theta))))
    state.risk.joint(state.z).gradient(np.stack([theta, theta]))
    gates = GatedNetwork(state)
    if gates.heights(theta).shape[1]:
        gates.rows(theta, (gates.heights(theta) > 0).astype(float), np.arange(3))


@pytest.mark.parametrize("base", sorted(BASES))
def test_looking_while_it_trains_changes_nothing_and_breaks_nothing(tmp_path, base):
    paths = []
    for looked in (False, True):
        session = Session.create(config(BASES[base]), tmp_path / str(looked))
        session.start()
        looks = 0
        while looked and (not session.engine.ended or not looks):
            look(session)
            looks += 1
        assert session.wait(120)
        session.close()
        assert session.engine.error is None
        with RunReader(session.folder) as reader:
            paths.append(np.asarray(reader.read("theta")).tobytes())
    assert paths[0] == paths[1]


def test_two_threads_hammer_the_same_derivative():
    """What `torch.func.jvp` does not survive: its levels belong to the process."""
    rng = torch.Generator().manual_seed(0)
    weights = {
        "a": torch.randn(6, 4, generator=rng, dtype=torch.float64),
        "b": torch.randn(6, generator=rng, dtype=torch.float64),
    }
    along = {
        name: torch.randn(w.shape, generator=rng, dtype=torch.float64)
        for name, w in weights.items()
    }
    x = torch.randn(30, 4, generator=rng, dtype=torch.float64)

    def outputs(given):
        return torch.tanh(x @ given["a"].T) @ given["b"]

    wanted = torch.func.jvp(outputs, (weights,), (along,))
    problems: list[BaseException | str] = []

    def hammer():
        try:
            for _ in range(400):
                found = value_and_slope(outputs, weights, along)
                if not all(
                    torch.allclose(a, b, rtol=1e-13) for a, b in zip(found, wanted, strict=True)
                ):
                    problems.append("another value")
        except BaseException as error:  # noqa: BLE001  (whatever a thread dies of)
            problems.append(error)

    threads = [threading.Thread(target=hammer) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems


def test_nothing_uses_forward_mode():
    forward = re.compile(r"\b(jvp|jacfwd|linearize|forward_ad|torch\.func\.hessian)\b")
    used = [
        f"{path.name}:{number}"
        for path in Path(workbench.__file__).parent.rglob("*.py")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if forward.search(line) and path.name != "tangent.py"
    ]
    assert not used
