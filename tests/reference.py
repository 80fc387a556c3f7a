"""Slow, obvious numerics in numpy: gradients by hand, loops over samples, nothing shared with the product."""

from __future__ import annotations

import numpy as np


def loss_slope(loss: str, out: float, y: float) -> float:
    """∂ℓ/∂Φ of one sample."""
    if loss == "square":
        return out - y
    if loss == "exponential":
        return -y * np.exp(-y * out)
    return -y / (1.0 + np.exp(y * out))


def act(s: np.ndarray, leak: float) -> np.ndarray:
    return np.where(s > 0, s, leak * s)


def slope(s: np.ndarray, leak: float) -> np.ndarray:
    return np.where(s > 0, 1.0, leak)


def squared_relu_gradient(params, x, y, loss, leak, signs):
    (u,) = params
    total = np.zeros_like(u)
    for xi, yi in zip(x, y, strict=True):
        s = u @ xi
        r = loss_slope(loss, float(signs @ act(s, leak) ** 2), yi)
        total += r * (signs * 2.0 * act(s, leak) * slope(s, leak))[:, None] * xi[None, :]
    return [total]


def two_layer_gradient(params, x, y, loss, leak, signs):
    u, v = params
    du, dv = np.zeros_like(u), np.zeros_like(v)
    for xi, yi in zip(x, y, strict=True):
        s = u @ xi
        r = loss_slope(loss, float(v @ act(s, leak)), yi)
        du += r * (v * slope(s, leak))[:, None] * xi[None, :]
        dv += r * act(s, leak)
    return [du, dv]


def deep_gradient(params, x, y, loss, leak, signs):
    grads = [np.zeros_like(w) for w in params]
    for xi, yi in zip(x, y, strict=True):
        inputs, pre = [xi], []
        for w in params[:-1]:
            pre.append(w @ inputs[-1])
            inputs.append(act(pre[-1], leak))
        r = loss_slope(loss, float((params[-1] @ inputs[-1])[0]), yi)
        back = np.array([r])
        for k in range(len(params) - 1, -1, -1):
            grads[k] += np.outer(back, inputs[k])
            if k:
                back = (params[k].T @ back) * slope(pre[k - 1], leak)
    return grads


GRADIENTS = {
    "squared-relu": squared_relu_gradient,
    "two-layer-relu": two_layer_gradient,
    "deep-relu": deep_gradient,
}


def descend(kind, params, x, y, *, loss, reduction, leak, signs, lr, steps):
    """Plain gradient descent; returns the parameters after `steps`."""
    params = [p.copy() for p in params]
    factor = 1.0 / len(y) if reduction == "mean" else 1.0
    for _ in range(steps):
        grads = GRADIENTS[kind](params, x, y, loss, leak, signs)
        params = [p - lr * factor * g for p, g in zip(params, grads, strict=True)]
    return params
