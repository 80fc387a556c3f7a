"""From a configuration to a network on its device, ready to be stepped: everything but the files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor, nn

from workbench.arrays import Array, Float
from workbench.config.run import RunConfig
from workbench.data.dataset import Dataset, require_labels
from workbench.data.load import load_dataset
from workbench.engine.program import Evaluation, RowBuffer, StepProgram, evaluated
from workbench.engine.rules.steepest import STEEPEST
from workbench.engine.saddle_watch import SaddleWatch
from workbench.engine.state import EngineState
from workbench.errors import BadInput, StorageError
from workbench.inspector.risk_model import RiskModel
from workbench.inspector.state import InspectedState
from workbench.losses.own import OwnLoss
from workbench.measures.held_out import HeldOut
from workbench.measures.layers import LayerMeasures, MaxMargin
from workbench.measures.own import own_series
from workbench.measures.panel import Panel
from workbench.measures.registry import MEASURES
from workbench.measures.unit_margin import MOST_NUMBERS, UnitMargin
from workbench.models.fixed import fixed_tensors
from workbench.models.homogeneity import Homogeneity
from workbench.models.network import flatten
from workbench.models.repeatable import draws, is_steady
from workbench.models.start import first_theta
from workbench.models.structure import Structure
from workbench.norms.norm import Norm
from workbench.norms.registry import NORM_NAMES, norm_of_rule
from workbench.record.start import Start
from workbench.run.device import (
    device_of,
    operations_a_step,
    require_device,
    set_precision,
)
from workbench.run.kernel_predictor import kernel_predictor_of
from workbench.run.loss import loss_in
from workbench.run.memory import enough_memory
from workbench.run.network import ConfiguredNetwork, network_of
from workbench.run.program import program_of
from workbench.run.record_every import settled
from workbench.run.sharpness import sharpness_of, stability_of
from workbench.run.sources import class_sources, named_parts, unkept
from workbench.theory.margin.svm import hard_margin_svm
from workbench.theory.numerics.separability import Inseparable

SVM_NUMBERS = 1 << 20
"""Numbers of the inputs up to which the max-margin direction is computed at the start."""


@dataclass(frozen=True)
class Experiment:
    """A network on its device, ready to be stepped, and what is measured of it."""

    config: RunConfig
    """What it was made of, with a number where record.every was "auto"."""
    network: ConfiguredNetwork
    state: EngineState
    panel: Panel
    program: StepProgram
    device: torch.device
    output_shape: tuple[int, ...]
    start: Start = field(default_factory=Start)
    """What only the start gives, for the run's file to keep."""
    remarks: tuple[str, ...] = ()
    """What a new run says of itself at its start."""
    built: tuple[object, ...] = ()
    """What `experiment_of` made of the configuration, to tell whether something else was put in its place."""

    @property
    def dataset(self) -> Dataset:
        """The samples."""
        return self.network.dataset

    @property
    def model(self) -> nn.Module:
        """The module that is trained."""
        return self.network.model

    @property
    def structure(self) -> Structure:
        """Its parameters, layers and neurons."""
        return self.network.structure

    @property
    def homogeneity(self) -> Homogeneity:
        """Its orders."""
        return self.network.homogeneity

    @property
    def foreign(self) -> bool:
        """Whether the network, the panel, the step program or what that is made of is not the
        configuration's."""
        found = _parts(self.model, self.program, self.panel)
        return len(found) != len(self.built) or any(
            a is not b for a, b in zip(found, self.built, strict=True)
        )

    def risk(self, step: int = 0, memory: Mapping[str, Array] | None = None) -> RiskModel:
        """The risk on a copy of the network, with the buffers in `memory`; None: the run's present ones."""
        return self.network.risk(step, self.state.memory if memory is None else memory)

    def inspected(
        self,
        theta: Float[Array, " P"],
        *,
        step: int,
        time: float = 0.0,
        step_size: float | None = None,
        risk: RiskModel | None = None,
        memory: Mapping[str, Array] | None = None,
    ) -> InspectedState:
        """A state of the run for the inspector, see `ConfiguredNetwork.state`; `memory` as in `risk`."""
        return self.network.state(
            theta,
            step=step,
            time=time,
            step_size=step_size,
            risk=risk,
            memory=self.state.memory if memory is None else memory,
        )


def experiment_of(
    config: RunConfig,
    dataset: Dataset | None = None,
    start: Start | None = None,
    taken: str | None = None,
    before: str | None = None,
    members: int = 1,
) -> Experiment:
    """Everything but the files: data, network, start, measures, step program; `dataset` None: as in [data].

    `start`: what a run has kept of its own, with the sources of that and of `dataset`. `taken`: the engine
    that took its steps so far, `before`: the kind of device it took them on. `members`: how many such runs
    are stepped together, by which its device is chosen.

    Raises:
        BadInput: a key does not fit the others, the samples or the network; it is named.
    """
    with enough_memory(config):
        return _made(config, dataset, start or Start(), taken, before, members)


def _made(
    config: RunConfig,
    dataset: Dataset | None,
    kept: Start,
    taken: str | None,
    before: str | None,
    members: int,
) -> Experiment:
    require_device(config)
    dtype = getattr(torch, config.device.dtype)
    read = unkept(config, kept, samples=dataset is not None)
    given = dataset is not None
    dataset = dataset or load_dataset(config.data)
    require_samples(config, dataset)
    network = network_of(config, dataset, kept.fixed)
    # Measured before the weights are laid out flat: that rounds what is frozen where dtype is float32.
    orders = network.homogeneity
    fixed = fixed_tensors(network.model)
    start = _first_theta(config, network.structure, kept)
    device, chosen = _device(network, before, members)
    theta = flatten(network.model, dtype, device)
    with torch.no_grad():
        theta.copy_(torch.from_numpy(start))
    x, y = (_on(device, dtype, part) for part in (dataset.x, dataset.y))
    program, remarks = program_of(network, theta, x, y, taken)
    svm, more = max_margin_of(network)
    remarks += (*more, *chosen)
    layers = LayerMeasures(network.structure, theta.detach().cpu().double().numpy().copy(), svm)
    panel = _panel(network, orders, program, layers, _held_out(network, dtype, device))
    # As without what is held out and the Hessian, so that the records are the same.
    config, every = settled(config, replace(panel, held=None, sharpness=None))
    if steps := _steps_in_words(network):
        remarks += (f"steps are {steps}; what is forecast is of gradient flow.",)
    shape = (dataset.n,) if network.outputs == 1 else (dataset.n, network.outputs)
    return Experiment(
        config=config,
        network=network,
        state=EngineState(theta, watch=_watch(panel, shape, config.device.dtype)),
        panel=panel,
        program=program,
        device=device,
        output_shape=shape,
        start=Start(
            start,
            fixed,
            kept.sources + read + class_sources(config, samples=given),
            named_parts(network.structure),
        ),
        remarks=remarks + ((every,) if every else ()),
        built=_parts(network.model, program, panel),
    )


def require_built(experiment: Experiment, config: RunConfig) -> None:
    """Refuse one whose run would be another than the one its file names, and be resumed as that."""
    asked = config.record.every if config.record.every != "auto" else experiment.config.record.every
    record = config.record.model_copy(update={"every": asked})
    if experiment.config != config.model_copy(update={"record": record}):
        raise BadInput("the experiment given was made of another configuration than the one given.")
    if experiment.foreign:
        raise BadInput(
            "the experiment given has a network, step program or panel that its configuration does not "
            "build, so that the run's file would name another, and resuming go on with that; name a step "
            "rule of your own in train.class, a network in model.class, a measure in measures.classes."
        )


def evaluated_start(experiment: Experiment) -> Evaluation:
    """The state that the run starts from, evaluated over all samples: the pass that its first record needs.

    Raises:
        BadInput: outputs are not finite there, and no step would mend that.
    """
    buffer = RowBuffer(1, experiment.state.theta, experiment.output_shape)
    threads = torch.get_num_threads()
    # As many as the run has: sums of several threads have other last bits.
    torch.set_num_threads(experiment.config.device.threads)
    try:
        with enough_memory(experiment.config):
            found = evaluated(experiment.program, experiment.state, buffer)
    finally:
        torch.set_num_threads(threads)
    n = experiment.dataset.n
    wrong = int((~np.isfinite(found.rows.outputs.reshape(n, -1))).any(axis=1).sum())
    if wrong:
        raise BadInput(
            f"The network's outputs at the start are not finite for {wrong} of {n} samples; "
            "change [model] or [init]."
        )
    return found


def _first_theta(config: RunConfig, structure: Structure, kept: Start) -> Float[Array, " P"]:
    """θ(0) (P), as the run has kept it; raises StorageError where that does not fit the network."""
    if kept.theta is None:
        return first_theta(config.init, structure)
    if kept.theta.shape != (structure.size,):
        raise StorageError(
            f"the start that was kept has {kept.theta.size:,} parameters, and the network {structure.size:,}."
        )
    return kept.theta


def require_samples(config: RunConfig, dataset: Dataset) -> None:
    """Refuse labels that the loss cannot use, and batches of more samples than there are; raises BadInput."""
    loss = loss_in(config.loss)
    require_labels(dataset, loss)
    if isinstance(loss, OwnLoss):
        loss.require_fitting(dataset.y)
    if config.train.batch > dataset.n:
        raise BadInput(
            f"train.batch = {config.train.batch} is more than the {dataset.n} samples; "
            f"allowed: 0 (all) to {dataset.n}."
        )


def _steps_in_words(network: ConfiguredNetwork) -> str:
    """What the steps are where they do not follow gradient flow at its pace, else nothing."""
    train = network.config.train
    if train.class_path is not None:
        return f"those of {train.class_path}"
    if train.rule in STEEPEST:
        length = "" if train.normalized else ", as long as the gradient's dual norm"
        return (
            f"steepest descent in the {network.norm(norm_of_rule(train.rule)).symbol} norm{length}"
        )
    words = {
        "signum": "those of signum, along the signs of a momentum",
        "muon": "Muon's, along U Vᵀ of a momentum of every matrix",
        "momentum": "those of heavy ball",
        "adam": "Adam's",
    }.get(train.rule, "")
    if not train.weight_decay:
        return words
    return f"{words or 'those of gradient descent'} on 𝓛 + (λ/2)‖θ‖², λ = {train.weight_decay:g}"


def _parts(model: nn.Module, program: StepProgram, panel: Panel) -> tuple[object, ...]:
    """The objects that decide what a run does and records, the step program's own included."""
    inner = vars(getattr(program, "rows", program))
    return (model, panel, program, *vars(program).values(), *inner.values())


def _panel(
    network: ConfiguredNetwork,
    orders: Homogeneity,
    program: StepProgram,
    layers: LayerMeasures,
    held: HeldOut | None,
) -> Panel:
    """What is measured of every record, the user's own measures included."""
    config, dataset, structure = network.config, network.dataset, network.structure
    panel = Panel(
        measures=MEASURES,
        structure=structure,
        y=dataset.y,
        d=dataset.d,
        loss=network.loss,
        reduction=config.loss.reduction,
        classifies=network.classifies,
        outputs=network.outputs,
        order=orders.order,
        layer_orders=orders.layer_orders,
        random=draws(network.model),
        keep_theta=config.record.theta,
        rule_series=program.series,
        layers=layers,
        unit=_unit_margin(network) if orders.order is None else None,
        held=held,
        norms=_norms(network),
        sharpness=sharpness_of(network),
        stability=stability_of(config),
        weight_decay=config.train.weight_decay,
        kernel=kernel_predictor_of(network, layers.start),
    )
    samples = (dataset.x, dataset.y)
    own = own_series(
        config.measures.classes, panel.probe(), list(panel.shapes()), samples, structure
    )
    return replace(panel, own=own)


def _norms(network: ConfiguredNetwork) -> dict[str, Norm]:
    """The norms besides ℓ2 that margins are measured in: those asked for, and the rule's own."""
    config = network.config
    asked = {*config.measures.norms, norm_of_rule(config.train.rule)}
    return {name: network.norm(name) for name in NORM_NAMES if name in asked}


def _held_out(
    network: ConfiguredNetwork, dtype: torch.dtype, device: torch.device
) -> HeldOut | None:
    """The network and its held-out samples, where the run has any."""
    test = network.dataset.test
    return None if test is None else HeldOut(network.model, test, dtype, device)


def _unit_margin(network: ConfiguredNetwork) -> UnitMargin | None:
    """The margin at θ/ρ of a network without an order, where a pass at every record costs next to nothing."""
    cheap = network.structure.size * network.dataset.n <= MOST_NUMBERS
    if not cheap or not is_steady(network.model) or network.mixes_samples:
        return None
    return UnitMargin(network.model, network.dataset.x, network.dataset.y)


def max_margin_of(network: ConfiguredNetwork) -> tuple[MaxMargin | None, tuple[str, ...]]:
    """ū and γ for a linear network that separates binary labels, or why there is none, in a sentence."""
    dataset = network.dataset
    applies = network.structure.linear_chain is not None and network.loss.labels == "binary"
    if not applies or dataset.x.size > SVM_NUMBERS:
        return None, ()
    inputs = dataset.x.reshape(dataset.n, -1)
    try:
        found = hard_margin_svm(dataset.y[:, None] * inputs)
    except ValueError as error:
        return None, (f"no max-margin direction to compare with: {error}.",)
    if isinstance(found, Inseparable):
        return None, (f"no max-margin direction to compare with: {found.sentence}.",)
    return MaxMargin(found.direction, found.margin), ()


def _watch(panel: Panel, shape: tuple[int, ...], dtype: str) -> SaddleWatch:
    """The watch for saddles; the origin is one only where Φ is homogeneous of order 2 or more."""
    zero = None
    if panel.order is not None and panel.order >= 2.0:
        zero = panel.loss.log_risk_at_zero(shape, panel.y, panel.reduction)
    return SaddleWatch(log_risk_zero=zero, epsilon=float(np.finfo(np.dtype(dtype)).eps))


def _device(
    network: ConfiguredNetwork, before: str | None, members: int
) -> tuple[torch.device, tuple[str, ...]]:
    """Where the network is stepped, and what there is to say of that, in sentences."""
    config, dataset = network.config, network.dataset
    b = config.train.batch or dataset.n

    def operations() -> float:
        return operations_a_step(network.model, torch.from_numpy(dataset.x[:2]), b, members)

    device, said = device_of(config, operations, before)
    set_precision(config, device)
    return device, (said,) if said else ()


def _on(device: torch.device, dtype: torch.dtype, array: np.ndarray) -> Tensor:
    return torch.from_numpy(array).to(device=device, dtype=dtype)
