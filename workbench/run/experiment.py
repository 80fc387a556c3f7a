"""From a configuration to a network on its device, ready to be stepped: everything but the files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import log

import numpy as np
import torch
from torch import Tensor, nn

from workbench.config.run import RunConfig
from workbench.data.dataset import Dataset, require_labels
from workbench.data.load import load_dataset
from workbench.engine.batches import Minibatches
from workbench.engine.eager import EagerProgram
from workbench.engine.flow_field import FlowField
from workbench.engine.flow_program import FlowProgram
from workbench.engine.loss_based import LossBasedRule
from workbench.engine.normalized import NormalizedRule
from workbench.engine.own_rule import own_rule
from workbench.engine.program import StepProgram
from workbench.engine.rules import ConstantRule, StepRule
from workbench.engine.saddle_watch import Answer, Confirm, SaddleWatch
from workbench.engine.smoothness import SmoothnessRule
from workbench.engine.state import EngineState
from workbench.engine.steepest import STEEPEST, SteepestRule
from workbench.errors import BadInput
from workbench.inspector.risk_model import RiskModel
from workbench.inspector.state import InspectedState
from workbench.inspector.time_limit import timed_judgement
from workbench.losses.loss import Loss
from workbench.losses.registry import loss_of, names_where
from workbench.measures.layers import LayerMeasures, MaxMargin
from workbench.measures.own import own_series
from workbench.measures.panel import Panel
from workbench.measures.unit_margin import MOST_NUMBERS, UnitMargin
from workbench.models.build import build_model
from workbench.models.homogeneity import Homogeneity, measure_homogeneity
from workbench.models.network import flatten, structure_of
from workbench.models.repeatable import draws, is_steady, still_copy
from workbench.models.start import first_theta
from workbench.models.structure import Structure
from workbench.theory.margin.svm import hard_margin_svm
from workbench.theory.numerics.separability import Inseparable

SVM_NUMBERS = 1 << 20
"""Numbers of the inputs up to which the max-margin direction is computed at the start."""


@dataclass(frozen=True)
class Setup:
    """A network on its device, ready to be stepped, and what is known of it."""

    config: RunConfig
    dataset: Dataset
    model: nn.Module
    structure: Structure
    homogeneity: Homogeneity
    state: EngineState
    panel: Panel
    program: StepProgram
    device: torch.device
    output_shape: tuple[int, ...]
    remarks: tuple[str, ...] = ()
    """What a new run says of itself at its start."""
    built: tuple[object, ...] = ()
    """What `set_up` made of the configuration, to tell whether something else was put in its place."""

    @property
    def foreign(self) -> bool:
        """Whether the network, the panel, the step program or what that is made of is not the
        configuration's."""
        found = _parts(self.model, self.program, self.panel)
        return len(found) != len(self.built) or any(
            a is not b for a, b in zip(found, self.built, strict=True)
        )


def set_up(config: RunConfig, dataset: Dataset | None = None) -> Setup:
    """Everything but the files: data, model, start, measures, step program.

    Raises BadInput naming the key that does not fit.
    """
    torch.set_num_threads(config.device.threads)
    device, dtype = _device(config), getattr(torch, config.device.dtype)
    dataset = dataset or load_dataset(config.data)
    loss = loss_of(config.loss.kind)
    require_labels(dataset, loss)
    if config.train.batch > dataset.n:
        raise BadInput(
            f"train.batch = {config.train.batch} is more than the {dataset.n} samples; "
            f"allowed: 0 (all) to {dataset.n}."
        )
    outputs = loss.outputs(dataset.y)
    seed = config.init.seed
    model = build_model(config.model, dataset.x.shape[1:], outputs, seed)
    structure = structure_of(model, dataset.d)
    homogeneity = measure_homogeneity(model, structure, torch.from_numpy(dataset.x))
    start = first_theta(config.init, structure)
    theta = flatten(model, dtype, device)
    with torch.no_grad():
        theta.copy_(torch.from_numpy(start))
    x, y = _on(device, dtype, dataset.x), _on(device, dtype, dataset.y)
    batches = None
    if 0 < config.train.batch < dataset.n:
        batches = Minibatches(dataset.n, config.train.batch, seed, device)
    program = _program(config, loss, model, x, y, batches, homogeneity, structure)
    svm, remarks = _max_margin(dataset, structure, loss)
    panel = Panel(
        structure=structure,
        y=dataset.y,
        d=dataset.d,
        loss=loss,
        reduction=config.loss.reduction,
        classifies=dataset.labels == "binary" or outputs > 1,
        outputs=outputs,
        order=homogeneity.order,
        layer_orders=homogeneity.layer_orders,
        keep_theta=config.record.theta,
        rule_series=program.series,
        layers=LayerMeasures(structure, theta.detach().cpu().double().numpy().copy(), svm),
        unit=_unit_margin(model, structure, dataset) if homogeneity.order is None else None,
    )
    samples = (dataset.x, dataset.y)
    own = own_series(
        config.measures.classes, panel.probe(), list(panel.shapes()), samples, structure
    )
    panel = replace(panel, own=own)
    if config.train.class_path is not None:
        remarks += (
            f"steps are those of {config.train.class_path}; what is forecast is of gradient flow.",
        )
    if config.train.rule in STEEPEST:
        remarks += (
            f"steps are steepest descent in the {STEEPEST[config.train.rule](structure).symbol} norm; "
            "what is forecast is of gradient flow.",
        )
    shape = (dataset.n,) if outputs == 1 else (dataset.n, outputs)
    return Setup(
        config=config,
        dataset=dataset,
        model=model,
        structure=structure,
        homogeneity=homogeneity,
        state=EngineState(theta, watch=_watch(panel, shape, config.device.dtype)),
        panel=panel,
        program=program,
        device=device,
        output_shape=shape,
        remarks=remarks,
        built=_parts(model, program, panel),
    )


def _parts(model: nn.Module, program: StepProgram, panel: Panel) -> tuple[object, ...]:
    """The objects that decide what a run does and records, the step program's own included."""
    inner = vars(getattr(program, "rows", program))
    return (model, panel, program, *vars(program).values(), *inner.values())


def _unit_margin(model: nn.Module, structure: Structure, dataset: Dataset) -> UnitMargin | None:
    """The margin at θ/ρ of a network without an order, where a pass at every record costs next to nothing."""
    cheap = structure.size * dataset.n <= MOST_NUMBERS
    if not cheap or not is_steady(model) or getattr(model, "mixes_samples", False):
        return None
    return UnitMargin(model, dataset.x, dataset.y)


def require_built(setup: Setup, config: RunConfig) -> None:
    """Refuse a setup whose run would be another than the one its file names, and be resumed as that."""
    if setup.config != config:
        raise BadInput("the setup given was made of another configuration than the one given.")
    if setup.foreign:
        raise BadInput(
            "the setup given has a network, step program or panel that its configuration does not build, so "
            "that the run's file would name another, and resuming go on with that; name a step rule of your "
            "own in train.class, a network in model.class, a measure in measures.classes."
        )


def _program(
    config: RunConfig,
    loss: Loss,
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    batches: Minibatches | None,
    homogeneity: Homogeneity,
    structure: Structure,
) -> StepProgram:
    """The way to step that [train] asks for; BadInput where the network does not allow it."""
    train, reduction = config.train, config.loss.reduction
    rule: StepRule = ConstantRule(train.lr)
    if train.rule == "normalized":
        rule = NormalizedRule(train.lr, train.max_update)
    elif train.rule == "loss-based":
        log_n = log(len(y)) if reduction == "sum" else 0.0
        per_epoch = batches.per_epoch if batches is not None else 1
        rule = LossBasedRule(train.lr, train.floor, per_epoch, log_n)
    elif train.rule in STEEPEST:
        rule = SteepestRule(STEEPEST[train.rule](structure), train.lr)
    elif train.rule == "torch":
        rule = own_rule(train.class_path or "", train.arguments or {})
    elif train.rule == "smoothness":
        parts = tuple(slice(p.start, p.stop) for p in structure.parameters)
        rule = SmoothnessRule(parts, float(x.flatten(1).norm(dim=1).max()))
    eager = EagerProgram(model, x, y, loss=loss, reduction=reduction, rule=rule, batches=batches)
    if train.rule != "flow":
        return eager
    if draws(model):
        raise BadInput(
            f"train.rule 'flow' follows one risk, and the network of model.kind '{config.model.kind}' draws "
            "random numbers, another risk at every step; allowed here: the other rules."
        )
    if getattr(model, "mixes_samples", False):
        raise BadInput(
            "train.rule 'flow' follows every sample by itself, and model.batch_norm = true mixes them; "
            "allowed here: the rules constant, normalized, loss-based."
        )
    if homogeneity.order is None and not loss.regression:
        raise BadInput(
            f"train.rule 'flow' with loss.kind '{loss.name}' needs a homogeneous network, and model.kind "
            f"'{config.model.kind}' is not; allowed here: loss.kind "
            f"{names_where(lambda loss: loss.regression)}, or the rules constant, "
            "normalized, loss-based."
        )
    field = FlowField(
        model,
        x,
        y,
        loss=loss,
        reduction=reduction,
        order=homogeneity.order,
        # Squares of ReLUs have no kink in their first derivatives.
        gate_width=0.0 if config.model.kind == "squared-relu" else train.gate_width,
    )
    goal = None if train.until is None else train.until.log10_risk * log(10.0)
    return FlowProgram(field, eager, rtol=train.rtol, log_risk=goal)


def _max_margin(
    dataset: Dataset, structure: Structure, loss: Loss
) -> tuple[MaxMargin | None, tuple[str, ...]]:
    """ū and γ for a linear network that separates binary labels, or why there is none, in a sentence."""
    applies = structure.linear_chain is not None and loss.labels == "binary"
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


def require_finite_start(setup: Setup) -> None:
    """Raises BadInput where the outputs at the first θ are not finite: no step would mend that."""
    theta = setup.state.theta.detach().cpu().double().numpy()
    outputs = risk_model(setup).outputs(theta).reshape(setup.dataset.n, -1)
    wrong = int((~np.isfinite(outputs)).any(axis=1).sum())
    if wrong:
        raise BadInput(
            f"The network's outputs at the start are not finite for {wrong} of {setup.dataset.n} samples; "
            "change [model] or [init]."
        )


def inspected(
    setup: Setup,
    theta: np.ndarray,
    *,
    step: int,
    time: float = 0.0,
    risk: RiskModel | None = None,
    memory: Mapping[str, np.ndarray] | None = None,
) -> InspectedState:
    """A state θ (P) of the run for the inspector; `risk` saves another copy of the network.

    `memory` holds the network's buffers at that state, where it changes them; None: the run's present ones.
    """
    config = setup.config
    if risk is None or not is_steady(setup.model):
        risk = risk_model(setup, step, memory)
    return InspectedState.of(
        risk,
        setup.structure,
        theta,
        order=setup.panel.order,
        learning_rate=config.train.lr,
        step=step,
        time=time,
        last_step=config.train.steps,
    )


def confirmation(setup: Setup) -> Confirm:
    """What the engine asks of a candidate for a saddle: the inspector's verdict on it."""
    risk = risk_model(setup)

    def confirm(theta: np.ndarray, step: int) -> Answer:
        found = timed_judgement(inspected(setup, theta, step=step, risk=risk))
        if found is None:
            return Answer(False, "", 0.0)
        words = " ".join(found.reasons)
        return Answer(found.verdict == "saddle", words, found.evidence.escape_rate or 0.0)

    return confirm


def risk_model(
    setup: Setup, step: int = 0, memory: Mapping[str, np.ndarray] | None = None
) -> RiskModel:
    """The run's risk as a function of θ, on a network of its own; `step` and `memory` say with which random
    numbers and buffers, where it has any."""
    config, model = setup.config, setup.model
    if not is_steady(model):
        model = still_copy(model, step, setup.state.memory if memory is None else memory)
    return RiskModel(
        model, setup.dataset.x, setup.dataset.y, setup.panel.loss, config.loss.reduction
    )


def _device(config: RunConfig) -> torch.device:
    """The device asked for; raises BadInput when CUDA is asked for and absent."""
    kind = config.device.kind
    if kind == "cuda" and not torch.cuda.is_available():
        raise BadInput(
            "device.kind = 'cuda', and torch finds no CUDA device here; allowed: auto, cpu."
        )
    if kind == "auto":
        kind = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(kind)


def _on(device: torch.device, dtype: torch.dtype, array: np.ndarray) -> Tensor:
    return torch.from_numpy(array).to(device=device, dtype=dtype)
