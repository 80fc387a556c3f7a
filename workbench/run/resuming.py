"""Whether a stored run can go on, and as itself: refusals in a sentence, before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf, log

import torch

from workbench.config.run import RunConfig
from workbench.config.toml import override, parse_config, parse_toml, to_toml
from workbench.errors import BadInput, StorageError, clean_text
from workbench.record.checkpoint import Checkpoint
from workbench.record.history import History
from workbench.record.own_files import require_own_files
from workbench.run.device import moved
from workbench.run.experiment import Experiment
from workbench.run.forking import ForkPush, pushed
from workbench.run.going_back import GoingBack, going_on
from workbench.run.sources import changed_classes
from workbench.run.stored import StoredRun


@dataclass(frozen=True, eq=False)
class Resumed:
    """A run at its newest good checkpoint: ready to be stepped, with the records up to there.

    `back`: where the run has more than that; what it has is to be set aside first.
    `changed`: a clause for each class of the user's whose file is not what it was. `moved`: a clause where
    it goes on on another kind of device.
    """

    name: str
    experiment: Experiment
    history: History
    back: GoingBack | None
    changed: tuple[str, ...] = ()
    moved: str = ""


def resumed(run: StoredRun, steps: int | None, trust: bool, restart: bool = False) -> Resumed:
    """The run as it was at its newest good checkpoint, or at its start; `steps` moves its end.

    Raises:
        BadInput: it has nothing left to do, has diverged, names classes that are not trusted, or would go
            on as another run.
        StorageError: it cannot be read, no checkpoint can and it is not to `restart`, or its checkpoint
            does not fit its configuration; or one of its files is a link.
    """
    require_own_files(run.folder)
    _require_own_config(run)
    checkpoint, back = going_on(run, restart)
    at = 0 if checkpoint is None else checkpoint.step
    if run.reader.status == "diverged":
        raise BadInput(
            f"run {run.folder.name} diverged, and would again; fork it with a smaller "
            f"train.lr: workbench fork {run.folder.name} --at {at} --set train.lr=…"
        )
    history = History()
    if checkpoint is not None:
        history = run.past(int(checkpoint.arrays["recorded_step"]))
    config = run.config
    if steps is not None:
        config = parse_config(
            override(parse_toml(to_toml(config), "config"), [f"train.steps={steps}"]), "--steps"
        )
    if not restart:
        _require_unfinished(run, config, at, back)
    layouts = {name: run.reader.shape(name)[1:] for name in run.reader.series_names()}
    before = run.device if checkpoint is None else checkpoint.attributes.get("device", run.device)
    before = None if before is None else str(before)
    experiment = run.experiment(config, trust=trust, before=before)
    if checkpoint is not None:
        _require_engine(experiment, checkpoint.attributes.get("engine"), run.folder.name)
    _require_series(experiment, layouts, run.folder.name)
    # Measures that came with a later version are not in the file.
    experiment = replace(experiment, panel=replace(experiment.panel, only=frozenset(layouts)))
    if checkpoint is not None:
        _load(experiment, checkpoint, run.folder.name)
    changed = changed_classes(run.start.sources, experiment.start.sources)
    return Resumed(
        run.name, experiment, history, back, tuple(changed), moved(before, experiment.device)
    )


def forked(
    run: StoredRun, config: RunConfig, at: int, trust: bool, push: ForkPush | None = None
) -> Experiment:
    """Ready to be stepped as `config` says from the state that the run stored at step `at`, or from there
    after a push along one of its KKT points.

    Raises BadInput when no state of that step is stored, or the configuration or the push does not fit it.
    """
    experiment = run.experiment(config, trust=trust, fork=True)
    theta = run.theta(at)
    if theta.size != experiment.structure.size:
        raise BadInput(
            f"run {run.folder.name} has {theta.size:,} parameters and the fork "
            f"{experiment.structure.size:,}; model and data must keep their sizes."
        )
    if at >= config.train.steps:
        raise BadInput(
            f"--at {at} is not before train.steps = {config.train.steps:,}; set train.steps higher."
        )
    told: tuple[str, ...] = ()
    if push is not None:
        theta, words = pushed(run.state(at, trust=trust), push)
        told = (f"forked from step {at:,} of {run.folder.name}, {words}",)
    state = experiment.state
    with torch.no_grad():
        state.theta.copy_(torch.from_numpy(theta))
    state.step, state.time, state.time_log = at, run.time(at), run.time_log(at)
    if config.model == run.config.model:
        state.memory.update(run.buffers(at, experiment.model))
    changed = changed_classes(run.start.sources, experiment.start.sources)
    told += tuple(f"{clause}: the fork's steps are the new code's." for clause in changed)
    return replace(experiment, remarks=experiment.remarks + told)


def _require_unfinished(run: StoredRun, config: RunConfig, at: int, back: GoingBack | None) -> None:
    """Refuse to go on where the run has reached its end, by its records: a checkpoint may be older."""
    # Killed after its last checkpoint and before its file said so, it has still to finish.
    finished = run.reader.status == "finished"
    until = config.train.until
    has_risk = run.reader.n_records > 0 and run.reader.has("log_risk")
    risk = float(run.reader.read("log_risk", slice(-1, None))[0]) if has_risk else inf
    if finished and until and risk <= until.log10_risk * log(10.0):
        raise BadInput(
            f"run {run.folder.name} has reached the risk of its train.until; to go on below it: workbench "
            f"fork {run.folder.name} --at {at} --set train.until.log10_risk=…"
        )
    if at > config.train.steps or (finished and run.last_record >= config.train.steps):
        hint = f" from step {at:,} ({back.why})" if back is not None else ""
        raise BadInput(
            f"run {run.folder.name} has finished its {config.train.steps:,} steps; "
            f"give --steps with a larger number to go on{hint}."
        )


def _require_own_config(run: StoredRun) -> None:
    """Refuse a config.toml that was changed in what made the run's steps."""
    for key, then, now in run.changed_keys():
        name = clean_text(run.folder.name, 120)
        raise BadInput(
            f"config.toml of run {name} says {key} = {_shown(now)}, and the run was begun with "
            f"{_shown(then)}; only its end, records, checkpoints and pauses may change, fork it for the "
            f"rest: workbench fork {name} --at … --set {key}={_shown(now)}"
        )


def _shown(value: object) -> str:
    """A value of a configuration in a sentence."""
    return "nothing" if value is None else clean_text(f"{value}", 80)


def _require_engine(experiment: Experiment, taken: object, name: str) -> None:
    """Refuse to go on with another engine than the one that took the steps so far, None: none has."""
    now, config = experiment.program.name, experiment.config
    if taken is None or taken == now:
        return
    raise BadInput(
        f"the steps of run {name} were taken by the engine '{clean_text(str(taken), 60)}', and its "
        f"configuration (train.rule = '{config.train.rule}', device.engine = '{config.device.engine}') "
        f"takes '{now}' now; a run keeps its engine, fork it to change."
    )


def _require_series(
    experiment: Experiment, layouts: Mapping[str, tuple[int, ...]], name: str
) -> None:
    """Refuse to go on where the file holds a series that nothing measures any more."""
    shapes = {"step": (), **experiment.panel.shapes()}
    for series, shape in layouts.items():
        if series not in shapes:
            raise BadInput(
                f"run {name} records '{series}', and a run of its configuration does not; train.rule "
                "and measures.classes must be as at its start."
            )
        if shapes[series] != shape:
            raise BadInput(
                f"run {name} records '{series}' with values of shape {shape}, and now they have shape "
                f"{shapes[series]}."
            )


def _load(experiment: Experiment, checkpoint: Checkpoint, name: str) -> None:
    try:
        experiment.state.load(checkpoint.arrays)
    except (KeyError, ValueError) as error:
        raise StorageError(
            f"the checkpoint of run {name} does not fit its configuration: {error}."
        ) from error
