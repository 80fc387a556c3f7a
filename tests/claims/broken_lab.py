"""A lab in plain numpy whose dynamics can be broken: one squared-ReLU layer, square loss."""

from __future__ import annotations

import numpy as np

from workbench.claims.lab import TrainedRun
from workbench.data.load import load_dataset
from workbench.models.start import first_theta
from workbench.models.structure import Description, Layer, Neurons, Parameter, Structure

STRUCTURE = Structure(
    (Parameter("u", (20, 2), 0),),
    Description((Layer("u", ("u",)),), Neurons("u", ncf="squared-relu")),
)


class NumpyLab:
    """Descends with steps `stride` times as long where the averaged risk makes them tiny.

    `rate` scales the step (−1: uphill, 0: frozen), `labels` replaces y, `power` is the activation's
    exponent, `kick` a random turn of every neuron a step, in radians, `factor` the weight of the risk.
    """

    def __init__(self, *, rate=1.0, labels=None, power=2, kick=0.0, factor=1.0):
        self.rate, self.labels, self.power = rate, labels, power
        self.kick, self.factor = kick, factor
        self.rng = np.random.default_rng(0)

    def train(self, config):
        data = load_dataset(config.data)
        y = data.y if self.labels is None else self.labels(data.y)
        mean = config.loss.reduction == "mean"
        stride = 20 if mean else 1
        factor = self.factor / data.n if mean else self.factor
        u = first_theta(config.init, STRUCTURE).reshape(20, 2)
        lr = config.train.lr * stride
        rows = []
        for step in range(0, config.train.steps + 1, stride):
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                s = np.maximum(u @ data.x.T, 0.0)
                r = (s**self.power).sum(0) - y
                risk = np.log(factor * 0.5 * np.sum(r * r))
            if step % config.record.every == 0:
                rows.append((step, step * config.train.lr, risk, u.ravel().copy()))
            slope = self.power * s ** (self.power - 1)
            with np.errstate(over="ignore", invalid="ignore"):
                u = u - self.rate * lr * factor * (slope * r) @ data.x
            if self.kick:
                turn = self.kick * self.rng.standard_normal(20)
                c, s = np.cos(turn), np.sin(turn)
                u = np.stack([c * u[:, 0] - s * u[:, 1], s * u[:, 0] + c * u[:, 1]], axis=1)
        step, time, risk, theta = (np.array(column) for column in zip(*rows, strict=True))
        return TrainedRun(step, time, risk, theta, STRUCTURE)
