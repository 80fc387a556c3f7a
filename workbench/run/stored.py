"""A run's files as a run: its configuration, samples, states, and the network they are of."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from stat import S_ISREG
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.arrays import Array, Float, Int
from workbench.config.init import FileInit
from workbench.config.later import changed_keys, gone_on_with
from workbench.config.run import RunConfig
from workbench.config.toml import parse_config, parse_toml, read_toml, to_toml
from workbench.data.dataset import Dataset
from workbench.data.held_out import with_held_out
from workbench.errors import BadInput, StorageError, clean_text
from workbench.record.checkpoint import Checkpoint, list_checkpoints, load_checkpoint
from workbench.record.history import History
from workbench.record.reader import RunReader
from workbench.record.schema import CONFIG_FILE, STEP
from workbench.record.start import Start
from workbench.record.values import clean_long_text
from workbench.run.step_size import RATE_LOG, step_size_taken

# Torch and scipy take seconds to load: a screen that only wants a configuration appears without them.
if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import nn

    from workbench.inspector.state import InspectedState
    from workbench.run.experiment import Experiment
    from workbench.run.network import ConfiguredNetwork

BLOCK = 2_048
"""Records read at once."""


class StoredRun:
    """A finished, lost or live run in its folder, which is only read; also a context manager.

    A *stored state* is one whose θ is in a checkpoint or was recorded. What asks for the state of a step
    raises BadInput, naming the nearest, where there is none, and StorageError where it cannot be read.

    Args:
        folder: the run's.
        reader: its file, where it is open already; whoever opened it closes it.
    """

    def __init__(self, folder: Path, reader: RunReader | None = None) -> None:
        self.folder = Path(folder)
        self._given = reader
        self._opened: RunReader | None = None
        self._loaded: Checkpoint | None = None
        self.changed: tuple[str, ...] = ()

    @property
    def reader(self) -> RunReader:
        """The run's file, opened when it is first asked for; raises StorageError."""
        if self._given is not None:
            return self._given
        if self._opened is None:
            self._opened = RunReader(self.folder)
        return self._opened

    def close(self) -> None:
        """Close the file if it was opened here."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def __enter__(self) -> StoredRun:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # --- what it is ---

    @property
    def name(self) -> str:
        """As its file says, else its folder's."""
        return str(self.reader.attributes.get("name") or self.folder.name)

    @cached_property
    def begun_with(self) -> RunConfig | None:
        """The configuration in its file: what it was begun with, its end as last moved; None without one."""
        name = self.folder.name
        text = self.reader.config_text
        return (
            parse_config(parse_toml(text, f"the configuration in {name}"), name) if text else None
        )

    @cached_property
    def written(self) -> RunConfig | None:
        """Its config.toml, for people to read and to change in what may still change; None without one.

        Raises BadInput where it cannot be read: it may say something else than the file.
        """
        path = self.folder / CONFIG_FILE
        try:
            is_file = S_ISREG(path.lstat().st_mode) or path.is_file()
        except FileNotFoundError:
            return None
        except OSError:
            is_file = True  # Whoever reads it says why it cannot.
        if not is_file and not path.is_dir():
            raise StorageError(f"'{clean_text(str(path))}' is no file; a configuration is needed.")
        return parse_config(read_toml(path), str(path))

    @cached_property
    def config(self) -> RunConfig:
        """What it is, and goes on with: as its file says, and as config.toml does in what may change later.

        Raises BadInput where one of the two cannot be read, and StorageError where there is neither.
        """
        begun, written = self.begun_with, self.written
        if begun is None and written is None:
            raise StorageError(f"run {clean_text(self.folder.name, 120)} holds no configuration.")
        if begun is None or written is None:
            return begun or written  # type: ignore[return-value]
        return gone_on_with(begun, written) if self.changed_keys() else written

    def changed_keys(self) -> list[tuple[str, Any, Any]]:
        """(key, then, now) of what config.toml says otherwise than the file and may not change later."""
        if self.begun_with is None or self.written is None:
            return []
        if not changed_keys(self.begun_with, self.written):
            return []
        # Texts from the file are cleaned, and so is then what they are compared with.
        cleaned = parse_toml(clean_long_text(to_toml(self.written)), CONFIG_FILE)
        return changed_keys(self.begun_with, parse_config(cleaned, CONFIG_FILE))

    @cached_property
    def start(self) -> Start:
        """What only its start gave, as its file keeps it.

        Of a run of before that was kept: θ(0) where it began with weights from a file and recorded them.
        """
        kept = self.reader.start
        if kept is not None:
            return kept
        recorded = self._recorded
        if (
            isinstance(self.config.init, FileInit)
            and "parent" not in self.reader.attributes
            and self.reader.has("theta")
            and len(recorded)
            and recorded[0] == 0
        ):
            return Start(theta=np.asarray(self._record("theta", 0), dtype=np.float64))
        return Start()

    @cached_property
    def dataset(self) -> Dataset:
        """The samples it was started with, from its own files: the user's may have changed since."""
        inputs, labels = self.reader.x, self.reader.y
        if inputs is None or labels is None:
            raise StorageError("the run holds no data to go on with.")
        x, y = (np.asarray(part, dtype=np.float64) for part in (inputs, labels))
        held_out = self.reader.test
        if held_out is None:
            return Dataset(x, y, "data")
        test_x, test_y = (np.asarray(part, dtype=np.float64) for part in held_out)
        return with_held_out(Dataset(x, y, "data"), Dataset(test_x, test_y, "data.test"))

    def past(self, step: int) -> History:
        """The records up to a step, in memory."""
        history = History()
        count = int(np.searchsorted(self._recorded, step, side="right"))
        names = self.reader.series_names()
        for start in range(0, count, BLOCK):
            rows = slice(start, min(start + BLOCK, count))
            history.append({name: self.reader.read(name, rows) for name in names})
        return history

    @property
    def engine(self) -> str:
        """What took its steps, as its file says."""
        return str(self.reader.attributes.get("engine", "eager"))

    @property
    def device(self) -> str | None:
        """The kind of device its first steps were taken on, "cpu" or "cuda", as its file says."""
        named = self.reader.attributes.get("device")
        return None if named is None else "cpu" if named == "cpu" else "cuda"

    # --- its states ---

    @property
    def checkpoints(self) -> Int[np.ndarray, " C"]:
        """Steps of its checkpoints, ascending."""
        return np.array([step for step, _ in list_checkpoints(self.folder)], dtype=np.int64)

    @property
    def steps(self) -> Int[np.ndarray, " K"]:
        """Steps of the stored states, ascending."""
        recorded = self._recorded if self.reader.has("theta") else ()
        return np.unique(np.concatenate([self.checkpoints, recorded])).astype(np.int64)

    @property
    def last_record(self) -> int:
        """The step of the last record, −1 before the first."""
        return int(self._recorded[-1]) if len(self._recorded) else -1

    @property
    def last_step(self) -> int:
        """The last of them; raises BadInput without one."""
        steps = self.steps
        if not steps.size:
            raise BadInput(f"run {self.folder.name} has no state stored yet.")
        return int(steps[-1])

    def theta(self, step: int) -> Float[np.ndarray, " P"]:
        """θ at a step: of its checkpoint, else as recorded."""
        checkpoint = self._checkpoint(step)
        found = self._record("theta", step) if checkpoint is None else checkpoint.arrays["theta"]
        return np.asarray(found, dtype=np.float64)

    def parameters(self, step: int | None = None, *, trust: bool = False) -> dict[str, Array]:
        """The trained tensors of a stored state by name, each in its shape, float64: views of its θ.

        The names are those of the network's `state_dict`. `step` None: the last one. Of a run from before
        files kept them the network is built, which imports a class of the user's only with `trust`.
        """
        from workbench.run.named import parts_of, tensors_of

        theta = self.theta(self.last_step if step is None else step)
        return tensors_of(theta, parts_of(self, trust), self.folder.name)

    def module(self, step: int | None = None, *, trust: bool = False) -> nn.Module:
        """The network of a stored state, float64 on the CPU, with what it does not train as well.

        Raises BadInput also when the model's class is not trusted, or no checkpoint has its buffers.
        """
        from workbench.run.named import module_at

        return module_at(self, self.last_step if step is None else step, trust)

    def time(self, step: int) -> float:
        """The flow's time at the step of a stored state; ∞ where it is beyond a float."""
        checkpoint = self._checkpoint(step)
        return float(
            self._record("time", step) if checkpoint is None else checkpoint.arrays["time"]
        )

    def time_log(self, step: int) -> float:
        """Its logarithm; −∞ at time 0."""
        time = self.time(step)
        if time < np.inf:
            return float(np.log(time)) if time > 0 else -np.inf
        checkpoint = self._checkpoint(step)
        return float(
            self._record("time_log", step) if checkpoint is None else checkpoint.arrays["time_log"]
        )

    def step_size(self, step: int) -> float:
        """η of the step taken at the last record up to a step, where the rule changes it; else train.lr."""
        taken = None
        if self.reader.has(RATE_LOG):
            taken = step_size_taken(self._recorded, np.asarray(self.reader.read(RATE_LOG)), step)
        return self.config.train.lr if taken is None else taken

    def buffers(self, step: int, model: nn.Module) -> dict[str, Array]:
        """The network's buffers at the step of a stored state; none for a network that changes none.

        Only checkpoints hold them: raises BadInput where there is none of that step.
        """
        from workbench.engine.state import MEMORY
        from workbench.models.repeatable import BUFFER, changes_buffers

        if not changes_buffers(model):
            return {}
        steps = self.checkpoints
        if not steps.size:
            raise BadInput(
                f"the network of run {self.folder.name} changes its buffers, and only checkpoints hold "
                "them; there is none."
            )
        near = steps[np.argsort(np.abs(steps - step), kind="stable")[:3]]
        nearest = self._checkpoint(int(near[0]))
        assert nearest is not None
        found = {
            name.removeprefix(MEMORY): array
            for name, array in nearest.arrays.items()
            if name.startswith(MEMORY + BUFFER)
        }
        if found and nearest.step != step:
            raise BadInput(
                f"the network of run {self.folder.name} changes its buffers, and only checkpoints hold "
                f"them; of step {step:,} there is none, the nearest: {_listed(near)}."
            )
        return found

    def state(
        self,
        step: int | None = None,
        *,
        trust: bool = False,
        network: ConfiguredNetwork | None = None,
    ) -> InspectedState:
        """A stored state for the inspector; `step` None: the last one. `network` saves building it again.

        Raises BadInput also when the model's class is not trusted.
        """
        found = network or self.network(trust=trust)
        step = self.last_step if step is None else step
        theta = self.theta(step)
        if theta.size != found.structure.size:
            raise StorageError(
                f"run {self.folder.name} has {theta.size:,} parameters and its configuration "
                f"{found.structure.size:,}."
            )
        return found.state(
            theta,
            step=step,
            time=self.time(step),
            step_size=self.step_size(step),
            memory=self.buffers(step, found.model),
        )

    # --- in a notebook ---

    def figure(
        self, name: str, *, x: str | None = None, log_x: bool = False, size: str = "column"
    ) -> Figure:
        """A figure by the name that `workbench plot --figure` takes, to change, save or show.

        `x`: step, epoch, time or margin, None as the figure has it; `size`: column or page. Raises BadInput
        for other names, and where the run did not record what it shows.
        """
        # What loads matplotlib waits for whoever asks.
        from workbench.figures import FigureOptions, default_axis, draw_figure

        options = FigureOptions.checked(x=x or default_axis(name), log_x=log_x, size=size)
        self.reader.refresh()
        return draw_figure(self.reader, name, options)

    def _repr_html_(self) -> str:
        from workbench.run.html import stored_html

        return stored_html(self)

    # --- its network ---

    def network(self, *, trust: bool = False) -> ConfiguredNetwork:
        """The network, to look at its states; no step rule and no measure of the user's is imported.

        A model class of the user's is imported only with `trust`: raises BadInput without. Where its file is
        not what the run began with, `changed` says so afterwards.
        """
        config = self.config.for_looking()
        require_trust(config.own_classes, trust, self.folder.name)
        from workbench.run.network import network_of
        from workbench.run.sources import changed_classes, class_sources

        found = network_of(config, self.dataset, self.start.fixed)
        self.changed = tuple(
            changed_classes(self.start.sources, class_sources(config, samples=True))
        )
        return found

    def experiment(
        self,
        config: RunConfig | None = None,
        *,
        trust: bool = False,
        fork: bool = False,
        before: str | None = None,
    ) -> Experiment:
        """The run ready to be stepped, from its start, with its own engine; or a `fork` of it with `config`,
        with the engine that this one asks for. `before`: the kind of device that its last steps were taken
        on, where it is known.

        Where [data] is the run's its own samples are taken, and its own start likewise. Raises BadInput when
        the configuration names classes that are not trusted, a key does not fit, or a file that is read
        again has changed.
        """
        config = config or self.config
        kept_samples = config.data == self.config.data
        named = config.own_classes if kept_samples else config.own_classes + config.data_classes
        require_trust(named, trust, self.folder.name)
        from workbench.run.experiment import experiment_of
        from workbench.run.sources import require_unchanged

        kept = self._kept_for(config)
        made = experiment_of(
            config,
            self.dataset if kept_samples else None,
            kept,
            None if fork else self.engine,
            None if fork else before or self.device,
        )
        require_unchanged(self.start.sources, made.start.sources, self.folder.name)
        if config.init == self.config.init and kept.theta is None:
            self._require_recorded_start(made)
        return made

    def _kept_for(self, config: RunConfig) -> Start:
        """What of its start is also that of a run with `config`."""
        from workbench.run.sources import of_tables

        own = self.config
        same = config.data == own.data
        network = same and config.model == own.model and config.init.seed == own.init.seed
        theta = network and config.init == own.init
        return Start(
            theta=self.start.theta if theta else None,
            fixed=self.start.fixed if network else None,
            sources=of_tables(self.start.sources, data=same, init=theta, model=network),
        )

    def _require_recorded_start(self, made: Experiment) -> None:
        """Refuse weights read from a file again whose norm is not the one recorded at the start."""
        recorded = self._recorded
        known = len(recorded) and recorded[0] == 0 and self.reader.has("rho")
        if not (isinstance(made.config.init, FileInit) and known):
            return
        was = float(self.reader.read("rho", slice(0, 1))[0])
        now = float(np.linalg.norm(made.state.theta.detach().cpu().double().numpy()))
        if not np.isclose(now, was, rtol=1e-6 if made.config.device.dtype == "float32" else 1e-12):
            raise BadInput(
                f"init.path: '{clean_text(made.config.init.path, 200)}' is not what run "
                f"{clean_text(self.folder.name, 120)} began with: ‖θ‖ = {now:.12g}, and {was:.12g} was "
                "recorded at step 0."
            )

    # --- reading ---

    @property
    def _recorded(self) -> Int[np.ndarray, " T"]:
        """Steps of the records."""
        return np.asarray(self.reader.read(STEP), dtype=np.int64)

    def _checkpoint(self, step: int) -> Checkpoint | None:
        """The checkpoint of a step, the last one being kept; None where there is none."""
        if self._loaded is not None and self._loaded.step == step:
            return self._loaded
        path = dict(list_checkpoints(self.folder)).get(step)
        if path is None:
            return None
        self._loaded = load_checkpoint(path)
        return self._loaded

    def _record(self, series: str, step: int) -> Array:
        """The row of a series at a step whose θ was recorded."""
        rows = np.flatnonzero(self._recorded == step)
        if not rows.size or not self.reader.has("theta"):
            steps = self.steps
            near = steps[np.argsort(np.abs(steps - step), kind="stable")[:3]]
            raise BadInput(
                f"run {self.folder.name} has no state stored at step {step:,}; the nearest: "
                f"{_listed(near)}."
            )
        row = int(rows[0])
        return np.asarray(self.reader.read(series, slice(row, row + 1)))[0]


def require_trust(classes: Sequence[str], trust: bool, name: str) -> None:
    """Refuse to import classes that a stored run names unless the user said so."""
    if classes and not trust:
        named = ", ".join(f"'{path}'" for path in classes)
        raise BadInput(
            f"run {name} wants to import {named}, which runs its code here; "
            "add --trust if you know where the run comes from."
        )


def _listed(steps: Int[np.ndarray, " k"]) -> str:
    return ", ".join(f"{step:,}" for step in sorted(steps.tolist())) or "none"
