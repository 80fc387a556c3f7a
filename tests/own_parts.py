"""Step rules and measures as users write them, good ones and bad ones."""

from __future__ import annotations

import numpy as np
import torch


class Sign:
    def __init__(self, length: float = 1e-3) -> None:
        self.length = length

    def move(self, at, memory):
        return -at.gradient.sign(), self.length


class Momentum:
    """m ← decay m + ∇𝓛, θ ← θ − rate m."""

    def __init__(self, rate: float = 1e-3, decay: float = 0.9) -> None:
        self.rate, self.decay = rate, decay

    def move(self, at, memory):
        m = self.decay * memory.get("m", torch.zeros_like(at.theta)) + at.risk_gradient
        memory["m"] = m
        memory["count"] = memory.get("count", torch.tensor(0)) + 1
        return -m, self.rate


class Forgetful(Momentum):
    """Keeps its momentum where no checkpoint finds it."""

    m = None

    def move(self, at, memory):
        self.m = at.risk_gradient if self.m is None else self.decay * self.m + at.risk_gradient
        return -self.m, self.rate


class Writing(Momentum):
    def __init__(self) -> None:
        super().__init__()
        self.sums = np.zeros(3)

    def move(self, at, memory):
        self.sums[0] += 1.0
        return -at.risk_gradient, self.rate


class Short(Sign):
    def move(self, at, memory):
        return -at.gradient[:2], self.length


class Backward(Sign):
    def move(self, at, memory):
        return at.gradient, -1.0


class Raising(Sign):
    def move(self, at, memory):
        raise KeyError("no such thing")


class Single(Sign):
    def move(self, at, memory):
        return -at.gradient


class Nothing:
    pass


class L1Norm:
    name, axes, units = "l1_norm", (), "1"
    long_name, source = "sum of the weights' sizes, ‖θ‖_1", "a test, eq. (1)"

    def measure(self, record):
        return np.abs(record.theta).sum()


class Shares:
    """What each sample contributes to the risk, and a part of θ."""

    name, axes, units = "loss_share", ("sample",), "1"
    long_name, source = "ℓ(q_i)", "a test, eq. (2)"

    def measure(self, record):
        assert record.parameter("u").shape == (6, 2)
        return np.log1p(np.exp(-record.y * record.outputs))


class Unnamed(L1Norm):
    source = None


class Taken(L1Norm):
    name = "rho"


class Misfit(L1Norm):
    axes = ("thing",)


class Loud(L1Norm):
    name = "L1 norm!"


class Failing(L1Norm):
    def measure(self, record):
        return 1.0 / record.step


class Meddling(L1Norm):
    def measure(self, record):
        record.theta[0] = 0.0
        return 0.0


class Huber:
    labels = "real"

    def __init__(self, delta: float = 1.0) -> None:
        self.delta = delta

    def losses(self, outputs, y):
        return torch.nn.functional.huber_loss(outputs, y, reduction="none", delta=self.delta)


class HalfSquares:
    """½‖Φ − y‖², for targets of several numbers."""

    labels = "real"

    def losses(self, outputs, y):
        return 0.5 * (outputs - y).square().sum(dim=1)


class LogExponential:
    """log e^{−yΦ}: right at any risk."""

    labels = "binary"

    def log_losses(self, outputs, y):
        return -y * outputs


class PlainExponential:
    labels = "binary"

    def losses(self, outputs, y):
        return (-y * outputs).exp()


class Softmax:
    labels = "classes"

    def losses(self, outputs, y):
        return torch.nn.functional.cross_entropy(outputs, y.long(), reduction="none")


class Labelless(Huber):
    labels = "any"


class Lossless:
    labels = "real"


class Averaged(Huber):
    def losses(self, outputs, y):
        return super().losses(outputs, y).mean()


class Detached(Huber):
    def losses(self, outputs, y):
        return super().losses(outputs.detach(), y)


class Gaining(Huber):
    """Below 0 once outputs have left 0."""

    def losses(self, outputs, y):
        return super().losses(outputs, y) - outputs.square() * 1e3


class Broken(Huber):
    def losses(self, outputs, y):
        raise KeyError("no such thing")


class Wedge:
    """Points of two half planes."""

    def __init__(self, n: int = 12, gap: float = 0.2) -> None:
        self.n, self.gap = n, gap

    def samples(self):
        x = np.random.default_rng(0).normal(size=(self.n, 2))
        y = np.where(x[:, 0] > 0, 1, -1)
        x[:, 0] += self.gap * y
        return torch.from_numpy(x).float(), y.tolist()


class Samples:
    given: object = None

    def samples(self):
        return self.given


class Uneven(Samples):
    given = np.ones((3, 2)), np.ones(4)


class Unpaired(Samples):
    given = np.ones((3, 2))


class Words(Samples):
    given = np.ones((2, 2)), ["left", "right"]


class Infinite(Samples):
    given = np.array([[1.0, np.inf]]), np.ones(1)


class Ragged(Samples):
    given = [[1.0], [1.0, 2.0]], [1.0, 2.0]


class Fresh(Samples):
    def samples(self):
        return np.random.default_rng().normal(size=(4, 2)), np.array([1.0, -1.0, 1.0, -1.0])
