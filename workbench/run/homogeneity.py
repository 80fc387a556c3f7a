"""The homogeneity of a class, preset or configuration, as text or JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from workbench.config.models import TorchModel
from workbench.data.load import load_dataset
from workbench.errors import BadInput, clean_text
from workbench.models.homogeneity import TOLERANCE, Homogeneity, measure_homogeneity
from workbench.models.imported import imported, outputs_of
from workbench.models.network import structure_of
from workbench.models.structure import Structure
from workbench.presets import load_config
from workbench.run.memory import enough_memory
from workbench.run.network import network_of


@dataclass(frozen=True)
class Report:
    """What was measured of which network."""

    name: str
    structure: Structure
    homogeneity: Homogeneity

    def as_json(self) -> dict[str, Any]:
        """Plain values; an order is null where there is none."""
        return {
            "model": self.name,
            "parameters": self.structure.size,
            "order": self.homogeneity.order,
            "deviation": _finite(self.homogeneity.deviation),
            "layers": [
                {"name": a.name, "order": a.order, "deviation": _finite(a.deviation)}
                for a in self.homogeneity.layers
            ],
        }

    def as_text(self) -> str:
        """A few lines for people."""
        order = self.homogeneity.order
        lines = [f"{self.name}: {self.structure.size:,} parameters"]
        if order is None:
            lines.append(
                f"not homogeneous: Φ(cθ) follows no power of c (deviation {self.homogeneity.deviation:.2g}, "
                f"allowed {TOLERANCE:g}); margins are not normalized"
            )
        else:
            lines.append(
                f"homogeneous of order L = {order:g} (deviation {self.homogeneity.deviation:.1e})"
            )
        for layer in self.homogeneity.layers:
            found = "no order" if layer.order is None else f"order {layer.order:g}"
            lines.append(f"  layer {layer.name}: {found} (deviation {layer.deviation:.1e})")
        return "\n".join(lines)


def report(source: str, inputs: str, settings: list[str]) -> Report:
    """Measure a class at `package.module:Class` on seeded inputs, or a configuration's model on its data.

    Raises BadInput when it cannot be imported, built or called.
    """
    if ":" in source and not source.endswith(".toml"):
        shape = _shape(inputs)
        generator = torch.Generator().manual_seed(1)
        x = torch.randn(32, *shape, generator=generator, dtype=torch.float64)
        model = _of_class(source, x)
        structure = structure_of(model, int(np.prod(shape)))
        return Report(source, structure, measure_homogeneity(model, structure, x))
    config = load_config(source, settings)
    with enough_memory(config):
        network = network_of(config, load_dataset(config.data))
        return Report(f"{source} ({config.model.kind})", network.structure, network.homogeneity)


def _of_class(path: str, x: Tensor) -> nn.Module:
    """The module at `path`, which takes the inputs x (n, …) and has as many outputs as it has."""
    try:
        config = TorchModel.model_validate({"kind": "torch", "class": path})
    except ValidationError:
        raise BadInput(
            f"'{clean_text(path, 120)}' is no import path; needed is package.module:Class."
        ) from None
    model = imported(config, 0)
    found = outputs_of(model, x, path, ", the shape that --inputs gives")
    n = len(x)
    if found.shape[:1] != (n,) or found.ndim > 2:
        raise BadInput(
            f"model.class '{path}' gives {tuple(found.shape)} for {n} samples; "
            f"needed is ({n},), ({n}, 1) or ({n}, C)."
        )
    wrong = int((~found.isfinite()).reshape(n, -1).any(dim=1).sum())
    if wrong:
        raise BadInput(
            f"model.class '{path}' gives values that are not finite for {wrong} of {n} standard normal "
            "inputs."
        )
    return model


def _shape(text: str) -> tuple[int, ...]:
    try:
        shape = tuple(int(part) for part in text.split(","))
    except ValueError:
        shape = ()
    if not shape or min(shape) < 1:
        raise BadInput(f"--inputs '{clean_text(text, 40)}' is no shape such as 2 or 1,8,8.")
    return shape


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
