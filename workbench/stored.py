"""What a run's files give back: its configuration, samples and states."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from workbench.config import RunConfig, parse_config, parse_toml, read_toml
from workbench.data.dataset import Dataset
from workbench.errors import BadInput, StorageError
from workbench.record.checkpoint import list_checkpoints, load_checkpoint
from workbench.record.reader import RunReader


def require_trust(config: RunConfig, trust: bool, name: str) -> None:
    """Refuse to import a stored run's own model class unless the user said so."""
    if config.model.kind == "torch" and not trust:
        raise BadInput(
            f"run {name} wants to import '{config.model.class_path}', which runs its code here; "
            "add --trust if you know where the run comes from."
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
