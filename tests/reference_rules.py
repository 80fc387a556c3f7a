"""The late-phase rules for squared-ReLU neurons in 60-digit arithmetic, from the papers' words, sharing
nothing with the product: the risk itself is a number here, however small."""

from __future__ import annotations

import mpmath as mp

RAISE, LOWER = mp.mpf(2) ** (mp.mpf(1) / 5), mp.mpf(2) ** (mp.mpf(1) / 10)


def output(u, signs, x):
    total = mp.mpf(0)
    for row, sign in zip(u, signs, strict=True):
        s = sum(a * b for a, b in zip(row, x, strict=True))
        total += sign * max(s, mp.mpf(0)) ** 2
    return total


def sample_loss(loss, q):
    return mp.e ** (-q) if loss == "exponential" else mp.log1p(mp.e ** (-q))


def loss_slope(loss, q):
    return -(mp.e ** (-q)) if loss == "exponential" else -1 / (1 + mp.e**q)


def risk_and_gradient(u, signs, x, y, loss, samples):
    """(Σ ℓ, Σ ∂ℓ/∂u) over the samples of a batch."""
    total, grad = mp.mpf(0), [[mp.mpf(0)] * len(u[0]) for _ in u]
    for i in samples:
        q = y[i] * output(u, signs, x[i])
        total += sample_loss(loss, q)
        slope = loss_slope(loss, q) * y[i]
        for k, row in enumerate(u):
            s = sum(a * b for a, b in zip(row, x[i], strict=True))
            if s > 0:
                for j, value in enumerate(x[i]):
                    grad[k][j] += slope * signs[k] * 2 * s * value
    return total, grad


def moved(u, grad, factor):
    return [
        [a - factor * g for a, g in zip(row, grow, strict=True)]
        for row, grow in zip(u, grad, strict=True)
    ]


def normalized(u, signs, x, y, loss, batches, rate, max_update):
    """JT20: rate/𝓛 times the gradient, at most max_update long. `batches`: samples of every step."""
    rate = mp.mpf(rate)
    for samples in batches:
        risk, grad = risk_and_gradient(u, signs, x, y, loss, samples)
        length = rate / risk * mp.sqrt(sum(g * g for row in grad for g in row))
        u = moved(u, grad, rate / risk * min(mp.mpf(1), max_update / length))
    return u


def loss_based(u, signs, x, y, loss, batches, alpha, per_epoch):
    """LL20 K.1 in its own words: mean losses, Σ over a batch divided by its size; (θ, α, Σ η refused out)."""
    everyone = range(len(y))
    alpha, time = mp.mpf(alpha), mp.mpf(0)
    mean = risk_and_gradient(u, signs, x, y, loss, everyone)[0] / len(y)
    held, epoch_time = u, mp.mpf(0)
    for step, samples in enumerate(batches, start=1):
        _, grad = risk_and_gradient(u, signs, x, y, loss, samples)
        eta = alpha / mean
        u = moved(u, grad, eta / len(samples))
        epoch_time += eta
        if step % per_epoch:
            continue
        new = risk_and_gradient(u, signs, x, y, loss, everyone)[0] / len(y)
        if new < mean:
            mean, held, alpha, time = new, u, alpha * RAISE, time + epoch_time
        else:
            u, alpha = held, alpha / LOWER
        epoch_time = mp.mpf(0)
    return u, alpha, time
