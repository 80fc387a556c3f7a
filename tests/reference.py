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


# --- networks of the late phase: Φ and ∇Φ of one sample, by loops ---


def gate(s: float, activation: str) -> float:
    return 1.0 if activation == "linear" or s > 0 else 0.0


def diagonal_output(params, x, activation):
    """Φ(x) and its gradient, coordinate by coordinate."""
    total, grads = 0.0, [np.zeros_like(w) for w in params]
    for i in range(len(x)):
        inputs, gates = [x[i]], []
        for w in params[:-1]:
            s = w[i] * inputs[-1]
            gates.append(gate(s, activation))
            inputs.append(gates[-1] * s)
        total += params[-1][i] * inputs[-1]
        back = 1.0
        for j in range(len(params) - 1, -1, -1):
            grads[j][i] = back * inputs[j]
            if j:
                back *= params[j][i] * gates[j - 1]
    return total, grads


def sparse_output(params, x, masks, activation):
    """Φ(x) and its gradient, weight by weight of the masks read row by row."""
    places = [[(r, c) for r in range(len(m)) for c in range(len(m[0])) if m[r][c]] for m in masks]
    inputs, gates = [list(x)], []
    for k, (w, place) in enumerate(zip(params, places, strict=True)):
        sums = [0.0] * len(masks[k])
        for value, (r, c) in zip(w, place, strict=True):
            sums[r] += value * inputs[-1][c]
        last = k == len(params) - 1
        gates.append([1.0 if last else gate(s, activation) for s in sums])
        inputs.append([g * s for g, s in zip(gates[-1], sums, strict=True)])
    grads = [np.zeros(len(w)) for w in params]
    back = [1.0]
    for k in range(len(params) - 1, -1, -1):
        before = [0.0] * len(inputs[k])
        for index, (r, c) in enumerate(places[k]):
            slope_r = back[r] * gates[k][r]
            grads[k][index] = slope_r * inputs[k][c]
            before[c] += slope_r * params[k][index]
        back = before
    return inputs[-1][0], grads


def patches_output(params, x, activation):
    """Φ(x) = Σ_j v_j σ(⟨w, x^(j)⟩) and its gradient."""
    w, v = params
    total, dw, dv = 0.0, np.zeros_like(w), np.zeros_like(v)
    for j in range(len(v)):
        part = x[j * len(w) : (j + 1) * len(w)]
        s = sum(w[i] * part[i] for i in range(len(w)))
        g = gate(s, activation)
        total += v[j] * g * s
        dv[j] = g * s
        for i in range(len(w)):
            dw[i] += v[j] * g * part[i]
    return total, [dw, dv]


def skip_output(params, x):
    """Φ(x) = ⟨v, w x⟩ + ⟨u, x⟩ and its gradient."""
    w, v, u = params
    h = [sum(w[k, i] * x[i] for i in range(len(x))) for k in range(len(v))]
    total = sum(v[k] * h[k] for k in range(len(v))) + sum(u[i] * x[i] for i in range(len(x)))
    dw = np.array([[v[k] * x[i] for i in range(len(x))] for k in range(len(v))])
    return total, [dw, np.array(h), np.array(x)]


def linear_output(params, x):
    """Φ(x) = w_L ⋯ w_1 x and its gradient."""
    inputs = [np.array(x)]
    for w in params:
        inputs.append(np.array([sum(row[i] * inputs[-1][i] for i in range(len(row))) for row in w]))
    back, grads = np.array([1.0]), []
    for w, h in zip(params[::-1], inputs[-2::-1], strict=True):
        grads.insert(0, np.outer(back, h))
        back = np.array([sum(back[r] * w[r, c] for r in range(len(w))) for c in range(w.shape[1])])
    return float(inputs[-1][0]), grads


def convolve(picture, w, b, padding):
    """Filters w (o, c, k, k) over a picture (c, h, w), pixel by pixel."""
    o, _, k, _ = w.shape
    padded = np.pad(picture, ((0, 0), (padding, padding), (padding, padding)))
    out = np.zeros((o, padded.shape[1] - k + 1, padded.shape[2] - k + 1))
    for f in range(o):
        for i in range(out.shape[1]):
            for j in range(out.shape[2]):
                out[f, i, j] = b[f] + np.sum(w[f] * padded[:, i : i + k, j : j + k])
    return out


def convolve_back(picture, w, padding, back):
    """Gradients of Σ back · convolve in picture, w and b."""
    o, _, k, _ = w.shape
    padded = np.pad(picture, ((0, 0), (padding, padding), (padding, padding)))
    dp, dw, db = np.zeros_like(padded), np.zeros_like(w), np.zeros(o)
    for f in range(o):
        for i in range(back.shape[1]):
            for j in range(back.shape[2]):
                dw[f] += back[f, i, j] * padded[:, i : i + k, j : j + k]
                dp[:, i : i + k, j : j + k] += back[f, i, j] * w[f]
                db[f] += back[f, i, j]
    inner = slice(padding, -padding or None)
    return dp[:, inner, inner], dw, db


def pool(picture):
    """2×2 maxima, odd edges by themselves, and where each of them lies."""
    c, h, w = picture.shape
    out, place = np.zeros((c, -(-h // 2), -(-w // 2))), {}
    for f in range(c):
        for i in range(out.shape[1]):
            for j in range(out.shape[2]):
                spots = [
                    (f, a, b)
                    for a in range(2 * i, min(2 * i + 2, h))
                    for b in range(2 * j, min(2 * j + 2, w))
                ]
                place[f, i, j] = max(spots, key=lambda s: picture[s])
                out[f, i, j] = picture[place[f, i, j]]
    return out, place


def picture_output(stages, picture, output):
    """Output number `output` of a convolutional network and its gradients, a (weight, bias) a layer.

    Stages are ("conv", w, b, padding), ("pool",) and ("dense", w, b); ReLU after every layer but the last.
    """
    last = max(k for k, stage in enumerate(stages) if stage[0] != "pool")
    h, seen = picture, []
    for k, stage in enumerate(stages):
        if stage[0] == "pool":
            out, place = pool(h)
            seen.append((h.shape, place))
            h = out
            continue
        s = convolve(h, *stage[1:]) if stage[0] == "conv" else stage[1] @ h.ravel() + stage[2]
        seen.append((h, s))
        h = s if k == last else np.where(s > 0, s, 0.0)
    back = np.zeros_like(h)
    back[output] = 1.0
    grads = []
    for k in range(len(stages) - 1, -1, -1):
        stage = stages[k]
        if stage[0] == "pool":
            shape, place = seen[k]
            spread = np.zeros(shape)
            for spot, source in place.items():
                spread[source] += back.reshape([1 + max(s[a] for s in place) for a in range(3)])[
                    spot
                ]
            back = spread
            continue
        before, s = seen[k]
        back = back.reshape(s.shape) * (1.0 if k == last else (s > 0))
        if stage[0] == "conv":
            back, dw, db = convolve_back(before, stage[1], stage[3], back)
        else:
            dw, db = np.outer(back, before.ravel()), back
            back = (stage[1].T @ back).reshape(before.shape)
        grads.insert(0, (dw, db))
    return float(h[output]), grads


def squared_relu_tangent(start, theta, x, signs):
    """⟨∇Φ_0(θ_0; x), θ⟩ of Σ_j s_j max(0, ⟨w_j, x⟩)², neuron by neuron (JT20 App. A, times 2)."""
    total = 0.0
    for w, v, s in zip(start, theta, signs, strict=True):
        total += s * 2.0 * max(0.0, float(w @ x)) * float(v @ x)
    return total
