"""What the engine is held against besides a plain loop: jax's scan, and the least a compiled loop can do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types

from workbench.config.run import RunConfig
from workbench.engine.programs.kernel.choose import kernel_of
from workbench.engine.programs.kernel.compiled import BACKWARD, COUNTED, FORWARD, F, I, X, compiled
from workbench.engine.programs.kernel.losses import code_of, cotangent
from workbench.losses.registry import loss_of
from workbench.run.experiment import Experiment, experiment_of

Steps = Callable[[int], None]
"""Takes so many steps."""


def jax_scan(config: RunConfig, steps: int) -> Steps | None:
    """`steps` steps of gradient descent in one `jax.lax.scan`, jitted, from the run's own start.

    Batches are taken one after another, without shuffling. None: jax is not installed.
    """
    try:
        import jax
    except ImportError:
        return None
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    experiment = experiment_of(config)
    dtype = config.device.dtype
    x, y = experiment.dataset.x.astype(dtype), experiment.dataset.y
    n, batch, lr = len(x), config.train.batch, config.train.lr
    classes = config.loss.kind == "cross-entropy"
    y = y.astype("int32" if classes else dtype)
    phi = _forward(config.model.kind)
    mean = config.loss.reduction == "mean"
    x, y = jnp.asarray(x), jnp.asarray(y)

    def risk(parameters: Any, x: Any, y: Any) -> Any:
        out = phi(parameters, x)
        if classes:
            each = -jnp.take_along_axis(jax.nn.log_softmax(out), y[:, None], axis=1)
        elif config.loss.kind == "square":
            each = 0.5 * (out - y) ** 2
        else:
            each = jax.nn.softplus(-y * out)
        return each.mean() if mean else each.sum()

    def step(parameters: Any, k: Any) -> Any:
        here, labels = x, y
        if batch:
            start = k * batch % (n - batch + 1)
            here = jax.lax.dynamic_slice_in_dim(x, start, batch)
            labels = jax.lax.dynamic_slice_in_dim(y, start, batch)
        slope = jax.grad(risk)(parameters, here, labels)
        return {name: p - lr * slope[name] for name, p in parameters.items()}, None

    @jax.jit
    def chunk(parameters: Any) -> Any:
        return jax.lax.scan(step, parameters, jnp.arange(steps))[0]

    theta = experiment.state.theta.detach().numpy().astype(dtype)
    held = {
        p.name: jnp.asarray(experiment.structure.view(theta, p.name))
        for p in experiment.structure.parameters
    }
    chunk(held)["w1" if "w1" in held else "u"].block_until_ready()

    def run(count: int) -> None:
        nonlocal held
        for _ in range(0, count, steps):
            held = chunk(held)
        next(iter(held.values())).block_until_ready()

    return run


def _forward(kind: str) -> Callable[[Any, Any], Any]:
    """Φ of a kind of network in jax, its parameters by the workbench's names."""
    import jax
    import jax.numpy as jnp

    def squared(p: Any, x: Any) -> Any:
        return (jax.nn.relu(x @ p["u"].T) ** 2).sum(axis=1)

    def wide(p: Any, x: Any) -> Any:
        return jax.nn.relu(x @ p["u"].T) @ p["v"]

    def deep(p: Any, x: Any) -> Any:
        for k in range(1, len(p) + 1):
            x = x @ p[f"w{k}"].T
        return x[:, 0]

    def pool(h: Any) -> Any:
        return jax.lax.reduce_window(h, -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")

    def cnn(p: Any, x: Any) -> Any:
        h = x.reshape(-1, 1, 8, 8)
        h = jax.lax.conv(h, p["w1"], (1, 1), "SAME") + p["b1"][:, None, None]
        h = pool(jax.nn.relu(h))
        h = pool(jax.nn.relu(jax.lax.conv(h, p["w2"], (1, 1), "SAME")))
        h = jax.nn.relu(h.reshape(len(x), -1) @ p["w3"].T)
        return h @ p["w4"].T

    found: dict[str, Callable[[Any, Any], Any]] = {
        "squared-relu": squared,
        "two-layer-relu": wide,
        "deep-linear": deep,
        "cnn": cnn,
    }
    return found[kind]


@compiled(
    types.void(
        types.FunctionType(FORWARD),
        types.FunctionType(BACKWARD),
        *(F, X, F, F, I, F),
        *(types.int64, types.int64, types.float64, types.int64),
    ),
    COUNTED,
)
def _bare(
    forward: Any,
    backward: Any,
    theta: Any,
    x: Any,
    y: Any,
    fixed: Any,
    shape: Any,
    work: Any,
    loss: Any,
    classes: Any,
    factor: Any,
    steps: Any,
) -> None:
    """Forward, slopes of the loss, backward, θ ← θ − factor · gradient, and nothing else."""
    outputs, weights = np.empty(y.size * classes), np.empty(y.size * classes)
    gradient = np.empty(theta.size)
    for _ in range(steps):
        forward(theta, x, fixed, shape, work, outputs)
        scale = np.exp(cotangent(loss, outputs, y, classes, weights))
        backward(theta, x, fixed, shape, work, weights, gradient)
        for p in range(theta.size):
            theta[p] -= factor * scale * gradient[p]


def bare_loop(config: RunConfig) -> Steps | None:
    """The kernel's functions in a loop without rows, path or risk; None where there is no kernel.

    With minibatches it stays at the first one.
    """
    experiment: Experiment = experiment_of(config)
    kernel = kernel_of(experiment.model, experiment.structure)
    code = code_of(loss_of(config.loss.kind))
    if kernel is None or code is None or config.device.dtype != "float64":
        return None
    b = config.train.batch or experiment.dataset.n
    x = np.ascontiguousarray(experiment.dataset.x[:b].reshape(b, -1).T)
    y = experiment.dataset.y[:b].astype(np.float64)
    theta = experiment.state.theta.numpy()
    pair = kernel.forward.ready(), kernel.backward.ready()
    factor = config.train.lr / (b if config.loss.reduction == "mean" else 1)
    fixed = (x, y, kernel.fixed, kernel.shape(b), np.empty(kernel.work(b)), code, kernel.outputs)

    def run(count: int) -> None:
        _bare(*pair, theta, *fixed, factor, count)

    return run
