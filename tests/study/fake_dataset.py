"""A study's data set as `study_dataset` gives it, made of a law: escape after scale^-power · noise."""

from __future__ import annotations

import numpy as np
from xarray import Dataset, Variable

from workbench.study.columns import spec_of

SCALES = (1e-1, 1e-2, 1e-3, 1e-4)
TARGETS = np.radians([20.0, 140.0, -95.0])


def studied(seeds=30, scales=SCALES, widths=None, *, power=1.0, noise=0.05, never=(), seed=0):
    """(seed, scale[, width]) members; `never`: (seed, place of the scale) of those that do not escape."""
    rng = np.random.default_rng(seed)
    axes = {"init.seed": np.arange(seeds), "init.scale": np.array(scales)}
    if widths:
        axes["model.width"] = np.array(widths)
    grid, shape = tuple(axes), tuple(len(v) for v in axes.values())
    scale = np.broadcast_to(np.array(scales).reshape(1, -1, *[1] * (len(shape) - 2)), shape)
    drift = np.exp(noise * rng.standard_normal(shape))
    escape = (scale**-power if power else 1000.0 * np.log(1.0 / scale)) * 20.0 * drift
    status = np.full(shape, "finished", dtype=object)
    for where in never:
        escape[where] = np.nan
    saddles = np.stack([escape, np.where(rng.random(shape) < 0.5, 3 * escape, np.nan)], axis=-1)
    which = rng.choice(3, size=saddles.shape, p=[0.6, 0.3, 0.1])
    angle = TARGETS[which] + 0.01 * rng.standard_normal(saddles.shape)
    direction = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    step = np.unique(np.geomspace(1, 50_000, 120).round().astype(int))
    step = np.concatenate([[0], step])
    fall = 4.0 / (
        1.0 + np.exp(-3.0 * np.log((step + 1.0) / np.nan_to_num(escape, nan=1e9)[..., None]))
    )
    columns = {
        "member": np.arange(np.prod(shape), dtype=float).reshape(shape),
        "status": status,
        "reason": np.full(shape, "", dtype=object),
        "last_step": np.full(shape, 50_000.0),
        "saddle_count": np.isfinite(saddles).sum(axis=-1).astype(float),
        "last_log_risk": -fall[..., -1],
    }
    columns["saddle_count"][:] = np.maximum(columns["saddle_count"], 1.0)
    deep = {
        "saddle_step": np.round(np.nan_to_num(saddles, nan=5.0) / 2),
        "saddle_escape_step": saddles,
        "saddle_leaver": np.where(np.isfinite(saddles), 3.0, np.nan),
        "saddle_verdict": np.full(saddles.shape, "saddle", dtype=object),
        "saddle_target_kind": np.where(which == 2, "saddle", "max").astype(object),
        "saddle_target_value": np.array([2.0, 1.5, 0.4])[which],
    }
    unmet = np.isnan(saddles) & (np.arange(2) == 1)
    deep["saddle_step"][unmet] = np.nan
    direction[unmet] = np.nan
    deep["saddle_target_kind"][unmet] = ""
    found = Dataset(coords=axes)
    for name, values in columns.items():
        found[name] = _variable(name, grid, values)
    for name, values in deep.items():
        found[name] = _variable(name, (*grid, "saddle"), values)
    found["saddle_target_direction"] = Variable((*grid, "saddle", "target_component"), direction)
    found["log_risk"] = _variable("log_risk", (*grid, "step"), 1.0 - fall)
    found = found.assign_coords(saddle=[1, 2], step=step)
    return found


def _variable(name, dims, values):
    spec = spec_of(name)
    return Variable(dims, values, {"units": spec.units, "long_name": spec.long_name})
