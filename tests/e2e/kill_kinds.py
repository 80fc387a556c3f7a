"""The runs that the kill tests kill, as TOML; after `KERNEL` before a kind, compiled code takes its steps."""

from __future__ import annotations

KERNEL = "kernel "

BASE = """
[data]
kind = "gaussian-separable"
n = 12
[model]
kind = "two-layer-relu"
width = 6
[init]
kind = "gaussian"
scale = 0.2
[loss]
kind = "logistic"
[device]
kind = "cpu"
"""

KINDS = {
    "records": """
[train]
lr = 1e-3
steps = 10000
[record]
every = 4
[checkpoint]
every = 400
""",
    "minibatch": """
[train]
lr = 1e-3
steps = 8000
batch = 5
[record]
every = 7
[checkpoint]
every = 333
keep = 2
""",
    "log": """
[train]
lr = 1e-3
steps = 16000
[record]
every = "log"
[checkpoint]
every = 500
keep = 1
""",
    "normalized": """
[train]
rule = "normalized"
lr = 0.1
max_update = 0.05
batch = 5
steps = 600
[record]
every = 2
[checkpoint]
every = 60
keep = 2
""",
    "loss-based": """
[train]
rule = "loss-based"
lr = 0.05
batch = 5
steps = 600
[record]
every = 2
[checkpoint]
every = 61
""",
    "momentum": """
[train]
rule = "momentum"
lr = 1e-3
batch = 5
steps = 600
[record]
every = 2
[checkpoint]
every = 61
""",
    "adam": """
[train]
rule = "adam"
lr = 1e-2
epsilon = 0.0
batch = 5
steps = 600
[record]
every = 2
[checkpoint]
every = 61
""",
    "muon": """
[train]
rule = "muon"
lr = 1e-2
batch = 5
steps = 600
[record]
every = 2
[checkpoint]
every = 61
""",
    # A class of the user's for everything that may be one.
    "own": """
[data]
kind = "torch"
class = "tests.own_parts:Wedge"
[model]
kind = "torch"
class = "tests.models.own_modules:Plain"
[init]
kind = "gaussian"
scale = 0.2
[loss]
kind = "torch"
class = "tests.own_parts:LogExponential"
[train]
rule = "torch"
class = "tests.own_parts:Momentum"
steps = 600
[measures]
classes = ["tests.own_parts:L1Norm"]
[record]
every = 2
[checkpoint]
every = 61
[device]
kind = "cpu"
""",
    "flow": """
[train]
rule = "flow"
rtol = 1e-4
steps = 60
[record]
every = 1
[checkpoint]
every = 6
""",
    # Of deep linear networks with the averaged risk only (JT19 Assumption 3.5).
    "smoothness": """
[data]
kind = "two-circles"
n = 12
[model]
kind = "deep-linear"
width = 3
depth = 3
[init]
kind = "balanced"
scale = 0.3
[loss]
kind = "logistic"
reduction = "mean"
[train]
rule = "smoothness"
steps = 600
[record]
every = 2
[checkpoint]
every = 60
[device]
kind = "cpu"
""",
    # Every life reaches the end, so most kills fall on start-up, the last checkpoint and the copy.
    "short": """
[train]
lr = 1e-3
steps = 600
[record]
every = 1
[checkpoint]
every = 150
""",
}


def settings(kind: str) -> str:
    """The TOML of a kind; those that name no data are of the usual network."""
    text = KINDS[kind.removeprefix(KERNEL)]
    engine = "kernel" if kind.startswith(KERNEL) else "eager"
    whole = text if "[data]" in text else BASE + text
    return whole.replace('kind = "cpu"', f'kind = "cpu"\nengine = "{engine}"')
