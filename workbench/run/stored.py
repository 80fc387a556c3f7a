"""What a run's files give back: its configuration, samples and states."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from workbench.config.data import ClassesData
from workbench.config.run import RunConfig
from workbench.config.toml import parse_config, parse_toml, read_toml
from workbench.data.dataset import Dataset
from workbench.errors import BadInput, StorageError, clean_text
from workbench.losses.registry import names_where
from workbench.record.checkpoint import list_checkpoints, load_checkpoint
from workbench.record.reader import RunReader

# Torch and scipy take seconds to load: a screen that only wants a configuration appears without them.
if TYPE_CHECKING:
    from workbench.inspector.robustness import Robustness
    from workbench.inspector.state import InspectedState
    from workbench.run.experiment import Setup


def require_trust(config: RunConfig, trust: bool, name: str) -> None:
    """Refuse to import classes that a stored run names unless the user said so."""
    if config.own_classes and not trust:
        named = ", ".join(f"'{path}'" for path in config.own_classes)
        raise BadInput(
            f"run {name} wants to import {named}, which runs its code here; "
            "add --trust if you know where the run comes from."
        )


def require_series(setup: Setup, layouts: Mapping[str, tuple[int, ...]], folder: Path) -> None:
    """Refuse to go on where the file holds a series that nothing measures any more."""
    shapes = {"step": (), **setup.panel.shapes()}
    for name, shape in layouts.items():
        if name not in shapes:
            raise BadInput(
                f"run {folder.name} records '{name}', and a run of its configuration does not; train.rule "
                "and measures.classes must be as at its start."
            )
        if shapes[name] != shape:
            raise BadInput(
                f"run {folder.name} records '{name}' with values of shape {shape}, and now they have shape "
                f"{shapes[name]}."
            )


def require_rule(config: RunConfig, arrays: Mapping[str, np.ndarray], folder: Path) -> None:
    """Refuse to go on from a checkpoint of a step rule of the user's where another is configured now."""
    from workbench.engine.own_rule import OWN
    from workbench.engine.state import MEMORY

    if config.train.rule != "torch" and any(name.startswith(MEMORY + OWN) for name in arrays):
        raise BadInput(
            f"the steps of run {folder.name} were those of a rule of its own, and train.rule is now "
            f"'{config.train.rule}'; allowed: 'torch' with its train.class."
        )


def require_engine(setup: Setup, taken: object, folder: Path) -> None:
    """Refuse to go on with another engine than the one that took the steps so far, None: none has."""
    now = setup.program.name
    if taken is None or taken == now:
        return
    raise BadInput(
        f"the steps of run {folder.name} were taken by the engine '{clean_text(str(taken), 60)}', and its "
        f"configuration (train.rule = '{setup.config.train.rule}', device.engine = "
        f"'{setup.config.device.engine}') takes '{now}' now; a run keeps its engine, fork it to change."
    )


def stored_config(folder: Path) -> RunConfig:
    """The configuration a run goes on with: its config.toml, else the text in its file."""
    path = folder / "config.toml"
    if path.is_file():
        return parse_config(read_toml(path), str(path))
    with RunReader(folder) as reader:
        text = reader.config_text
    return parse_config(parse_toml(text, f"the configuration in {folder.name}"), folder.name)


def stored_dataset(reader: RunReader) -> Dataset:
    """The samples a run was started with, from its own file: the user's may have changed since."""
    if reader.x is None or reader.y is None:
        raise StorageError("the run holds no data to go on with.")
    return Dataset(
        np.asarray(reader.x, dtype=np.float64), np.asarray(reader.y, dtype=np.float64), "data"
    )


def stored_state(folder: Path, reader: RunReader, at: int) -> tuple[np.ndarray, float]:
    """θ (P) and the flow's time at a step: from a checkpoint, else from the recorded series.

    Raises BadInput naming the nearest steps that are stored.
    """
    checkpoints = dict(list_checkpoints(folder))
    if at in checkpoints:
        checkpoint = load_checkpoint(checkpoints[at])
        return checkpoint.arrays["theta"].astype(np.float64), float(checkpoint.arrays["time"])
    steps = np.asarray(reader.read("step"))
    stored = sorted(checkpoints)
    if "theta" in reader.series_names():
        found = np.flatnonzero(steps == at)
        if found.size:
            row = int(found[0])
            theta = np.asarray(reader.read("theta", slice(row, row + 1)))[0]
            return theta, float(np.asarray(reader.read("time", slice(row, row + 1)))[0])
        stored = sorted({*stored, *(int(s) for s in steps)})
    near = sorted(stored, key=lambda s: abs(s - at))[:3]
    shown = ", ".join(f"{s:,}" for s in sorted(near)) or "none"
    raise BadInput(f"run {folder.name} has no state stored at step {at:,}; the nearest: {shown}.")


def stored_buffers(folder: Path, at: int) -> dict[str, np.ndarray]:
    """The network's buffers at a step with a stored state; none for a network that changes none.

    Only checkpoints hold them: raises BadInput where there is none of that step.
    """
    from workbench.engine.state import MEMORY
    from workbench.models.repeatable import BUFFER

    nearest = sorted(list_checkpoints(folder), key=lambda found: abs(found[0] - at))
    if not nearest:
        return {}
    arrays = load_checkpoint(nearest[0][1]).arrays
    found = {
        name.removeprefix(MEMORY): array
        for name, array in arrays.items()
        if name.startswith(MEMORY + BUFFER)
    }
    if found and nearest[0][0] != at:
        shown = ", ".join(f"{step:,}" for step, _ in sorted(nearest[:3]))
        raise BadInput(
            f"the network of run {folder.name} changes its buffers, and only checkpoints hold them; of step "
            f"{at:,} there is none, the nearest: {shown}."
        )
    return found


def stored_time_log(folder: Path, reader: RunReader, at: int, time: float) -> float:
    """Logarithm of the flow's time at a step with a stored state; `time` itself may be beyond a float."""
    if time < np.inf:
        return float(np.log(time)) if time > 0 else -np.inf
    checkpoints = dict(list_checkpoints(folder))
    if at in checkpoints:
        return float(load_checkpoint(checkpoints[at]).arrays["time_log"])
    row = int(np.flatnonzero(np.asarray(reader.read("step")) == at)[0])
    return float(np.asarray(reader.read("time_log", slice(row, row + 1)))[0])


def inspected_state(
    folder: Path, at: int | None = None, *, trust: bool = False, setup: Setup | None = None
) -> InspectedState:
    """A state of a stored run for the inspector; `at` None: the last one that is stored.

    Works on finished, lost and live runs and writes nothing. `setup` saves building the network again.
    Raises BadInput when no state of that step is stored, or the model's class is not trusted.
    """
    from workbench.run.experiment import inspected, set_up

    config = stored_config(folder).for_looking()
    require_trust(config, trust, folder.name)
    with RunReader(folder) as reader:
        setup = setup or set_up(config, stored_dataset(reader))
        step = _last_step(folder, reader) if at is None else at
        theta, time = stored_state(folder, reader, step)
        buffers = stored_buffers(folder, step)
        rate = stored_rate_log(reader, step)
    if theta.size != setup.structure.size:
        raise StorageError(
            f"run {folder.name} has {theta.size:,} parameters and its configuration "
            f"{setup.structure.size:,}."
        )
    state = inspected(setup, theta, step=step, time=time, memory=buffers)
    return state.at_rate(rate)


def stored_rate_log(reader: RunReader, step: int) -> float:
    """log η of the step taken at the last record up to `step`; NaN where the rule does not change it."""
    if "learning_rate_log" not in reader.series_names():
        return float("nan")
    row = int(np.searchsorted(np.asarray(reader.read("step")), step, side="right")) - 1
    if row < 0:
        return float("nan")
    return float(np.asarray(reader.read("learning_rate_log", slice(row, row + 1)))[0])


def robustness_of(
    folder: Path,
    at: int | None = None,
    *,
    samples: int,
    anywhere: bool = False,
    trust: bool = False,
    report: Callable[[float], None] = lambda done: None,
) -> Robustness:
    """L2-robustness of a stored state on `samples` of the run's samples, evenly spread.

    Pictures stay within 0..1 unless `anywhere`. Raises BadInput when the run does not classify or mixes its
    samples, no state of that step is stored, or the model's class is not trusted.
    """
    from workbench.inspector.robustness import PICTURES, robustness, spread_samples
    from workbench.run.experiment import set_up

    config = stored_config(folder).for_looking()
    require_trust(config, trust, folder.name)
    with RunReader(folder) as reader:
        setup = set_up(config, stored_dataset(reader))
    if not setup.panel.classifies:
        raise BadInput(
            f"robustness is how far a sample is from another class, and run {folder.name} does not "
            "classify; allowed are labels −1 and 1, or classes with loss.kind "
            f"{names_where(lambda loss: loss.labels == 'classes')}."
        )
    if setup.structure.description.mixes_samples:
        raise BadInput(
            f"robustness is a property of single samples, and in the network of run {folder.name} an output "
            "depends on the other samples (batch statistics); allowed are networks without."
        )
    state = inspected_state(folder, at, trust=trust, setup=setup)
    box = PICTURES if isinstance(config.data, ClassesData) and not anywhere else None
    return robustness(
        state,
        spread_samples(state.n, samples),
        box=box,
        layer_orders=setup.panel.layer_orders,
        report=report,
    )


def _last_step(folder: Path, reader: RunReader) -> int:
    """The last step with a stored θ; raises BadInput without one."""
    steps = [step for step, _ in list_checkpoints(folder)]
    if "theta" in reader.series_names() and reader.n_records:
        steps.append(int(reader.read("step", slice(-1, None))[0]))
    if not steps:
        raise BadInput(f"run {folder.name} has no state stored yet.")
    return max(steps)
