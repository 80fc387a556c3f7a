"""Small valid configurations of many kinds: what is changed for strange ones."""

from __future__ import annotations

CONFIGURATIONS = (
    """
name = "circle"
description = "squared ReLU on the circle"
[data]
kind = "kh24-circle"
n = 20
offset = 0.5
[model]
kind = "squared-relu"
width = 4
leak = 0.1
signs = "random"
[init]
kind = "gaussian"
scale = 1e-3
seed = 3
[train]
lr = 1e-3
steps = 100
[record]
every = 5
[pause]
at = [1, 20]
""",
    """
[data]
kind = "gaussian-separable"
n = 30
d = 3
margin = 0.1
seed = 1
[model]
kind = "deep-relu"
widths = [4, 3]
[init]
kind = "he"
scale = 0.5
frobenius = 1.0
zero = ["w1"]
[loss]
kind = "logistic"
reduction = "mean"
[train]
rule = "loss-based"
lr = 0.1
floor = 1e-12
batch = 0
[checkpoint]
every = 50
keep = 2
""",
    """
[data]
kind = "inline"
x = [[1.0, 0.5], [0.3, -1.0], [-1.0, 0.2]]
y = [1.0, -1.0, 1.0]
[model]
kind = "two-layer-relu"
width = 2
[init]
kind = "inline"
noise = 1e-3
values = {u = [[1.0, 0.0], [0.0, 1.0]], v = [0.5, -0.5]}
[loss]
kind = "exponential"
[train]
rule = "flow"
rtol = 1e-7
until = {log10_risk = -20.0}
""",
    """
[data]
kind = "two-circles"
n = 12
radius = 0.2
distance = 0.6
angle = 30.0
[model]
kind = "deep-linear"
width = 3
depth = 3
[init]
kind = "balanced"
scale = 0.1
[loss]
kind = "logistic"
[device]
kind = "cpu"
dtype = "float64"
threads = 1
""",
    """
[data]
kind = "digits"
classes = [3, 5, 8]
n = 15
seed = 2
[model]
kind = "cnn"
channels = [2, 3]
width = 4
biases = "first"
image = [1, 8, 8]
[init]
kind = "uniform"
[loss]
kind = "cross-entropy"
[train]
rule = "normalized"
max_update = 0.5
batch = 5
""",
    """
[data]
kind = "jt20-planar"
n = 20
margin = 0.2
width = 4
[model]
kind = "residual"
filters = "dense"
width = 4
blocks = 2
batch_norm = true
[init]
kind = "file"
path = "start.npz"
[loss]
kind = "logistic"
""",
    """
[data]
kind = "inline"
x = [[1, 0, 2, 1], [0, 1, 1, 3]]
y = [1, -1]
[model]
kind = "sparse"
masks = [[[1, 0, 1, 0], [0, 1, 0, 1]], [[1, 1]]]
activation = "relu"
[init]
kind = "he"
[loss]
kind = "exponential-cubed"
""",
    """
[data]
kind = "csv"
path = "points.csv"
binary = true
label = "label"
[model]
kind = "ntk"
constant = true
[model.base]
kind = "shared-patches"
patches = 1
[model.start]
kind = "he"
seed = 4
[init]
kind = "gaussian"
scale = 0.0
[loss]
kind = "logistic"
""",
    """
[data]
kind = "linear-teacher"
n = 12
d = 3
outputs = 2
singular_values = [2.0, 1.0]
seed = 1
[data.test]
split = 0.25
[model]
kind = "deep-linear"
widths = [3]
[init]
kind = "gaussian"
scale = 1e-3
[loss]
kind = "square"
reduction = "mean"
""",
    """
[data]
kind = "csv"
path = "points.csv"
targets = "inputs"
label = "label"
[model]
kind = "deep-relu"
widths = [2]
[init]
kind = "he"
[loss]
kind = "square"
""",
    """
[data]
kind = "inline"
x = [[1.0, 0.5], [0.3, -1.0]]
y = [[1.0, -1.0, 0.5], [2.0, 0.0, 0.0]]
[model]
kind = "deep-linear"
width = 2
depth = 3
[init]
kind = "balanced"
[train]
rule = "flow"
""",
)
