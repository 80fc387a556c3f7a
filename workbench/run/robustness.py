"""How far the samples of a stored run are from another class, at one of its states."""

from __future__ import annotations

from collections.abc import Callable

import torch

from workbench.config.data import ClassesData
from workbench.errors import BadInput
from workbench.inspector.robustness import (
    AT_ONCE,
    PICTURES,
    Part,
    Robustness,
    robustness,
    spread_samples,
)
from workbench.losses.registry import names_where
from workbench.run.device import PAYS, operations_a_step
from workbench.run.network import ConfiguredNetwork
from workbench.run.stored import StoredRun


def robustness_of(
    run: StoredRun,
    at: int | None = None,
    *,
    samples: int,
    on: Part = "train",
    anywhere: bool = False,
    trust: bool = False,
    report: Callable[[float], None] = lambda done: None,
) -> Robustness:
    """L2-robustness of a stored state on `samples` of the run's samples, evenly spread.

    `at` None: of the last state. `on`: the samples of the training, or those held out. Pictures stay within
    0..1 unless `anywhere`.

    Raises:
        BadInput: nothing is held out, the run does not classify or mixes its samples, no state of that step
            is stored, or the model's class is not trusted.
    """
    network = run.network(trust=trust)
    if not network.classifies:
        raise BadInput(
            f"robustness is how far a sample is from another class, and run {run.folder.name} does not "
            "classify; allowed are labels −1 and 1, or classes with loss.kind "
            f"{names_where(lambda loss: loss.labels == 'classes')}."
        )
    if network.mixes_samples:
        raise BadInput(
            f"robustness is a property of single samples, and in the network of run {run.folder.name} an "
            "output depends on the other samples (batch statistics); allowed are networks without."
        )
    test = run.dataset.test if on == "test" else None
    if on == "test" and test is None:
        raise BadInput(
            f"run {run.folder.name} has no held-out samples; allowed is --on train, and [data.test] gives a "
            "new run such samples."
        )
    state = run.state(at, network=network)
    box = PICTURES if isinstance(run.config.data, ClassesData) and not anywhere else None
    return robustness(
        state,
        spread_samples(state.n if test is None else test.n, samples),
        test=test,
        box=box,
        layer_orders=network.homogeneity.layer_orders,
        device=_attacked_on(run, network),
        report=report,
    )


def _attacked_on(run: StoredRun, network: ConfiguredNetwork) -> torch.device | None:
    """A GPU for the attack where the run allows one and it pays; None: the CPU."""
    if run.config.device.kind == "cpu" or not torch.cuda.is_available():
        return None
    few = torch.from_numpy(run.dataset.x[:2])
    pays = operations_a_step(network.model, few, AT_ONCE) >= PAYS
    return torch.device("cuda") if pays else None
