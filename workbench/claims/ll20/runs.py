"""The flows that LL20's claims share: linear networks of order 1 to 4 and squared-ReLU neurons."""

from __future__ import annotations

from collections.abc import Mapping

from workbench.claims.claim import Size
from workbench.claims.lab import Lab
from workbench.claims.margin_runs import MarginRun, margin_run
from workbench.config.run import RunConfig
from workbench.config.toml import override, parse_config
from workbench.presets import read_preset

SEEDS: Mapping[Size, range] = {"quick": range(1), "full": range(5)}
LOWEST: Mapping[Size, int] = {"quick": -10_000, "full": -100_000}
"""log10 of the risk to which the flow is followed."""
RTOL: Mapping[Size, float] = {"quick": 1e-6, "full": 1e-7}
DEEP = -1_000_000
"""log10 of the risk to which a flow is followed whose limit is extrapolated: slow powers settle late."""
DEEP_RTOL: Mapping[Size, float] = {"quick": 1e-7, "full": 1e-8}
SQUARED = "squared"
NETWORKS: Mapping[str, tuple[str, ...]] = {
    "L=1": ("model.depth=1",),
    "L=2": ("model.depth=2",),
    SQUARED: (
        'model={kind="squared-relu", width=20, signs="alternate"}',
        'data={kind="gaussian-separable", n=30, d=2, margin=0.2, seed=1}',
        'init={kind="gaussian", scale=0.1}',
    ),
    "L=3": ("model.depth=3",),
    "L=4": ("model.depth=4",),
}
"""By name, the order of a linear network, what is changed in the preset `ll20-rates`."""


def flow_config(
    network: str,
    size: Size,
    seed: int = 0,
    loss: str = "exponential",
    *,
    lowest: int | None = None,
    rtol: float | None = None,
) -> RunConfig:
    """The flow of one network, all of its records kept; `LOWEST` and `RTOL` where nothing else is said."""
    lowest, rtol = lowest or LOWEST[size], rtol or RTOL[size]
    settings = [
        *NETWORKS[network],
        f'name="LL20 flow, {network}, {loss}, seed {seed}"',
        f"init.seed={seed}",
        f"loss.kind={loss}",
        f"train.until.log10_risk={lowest}",
        f"train.rtol={rtol}",
        "device.kind=cpu",
        "checkpoint.keep=1",
    ]
    return parse_config(override(read_preset("ll20-rates"), settings), "LL20")


def flows(
    lab: Lab,
    size: Size,
    networks: tuple[str, ...],
    loss: str = "exponential",
    *,
    lowest: int | None = None,
    rtol: float | None = None,
) -> list[MarginRun]:
    """The flow of every network from every seeded start, the first network's first start first."""
    return [
        margin_run(lab, flow_config(network, size, seed, loss, lowest=lowest, rtol=rtol))
        for network in networks
        for seed in SEEDS[size]
    ]
