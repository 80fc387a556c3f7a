"""The Mexican hat f(u, v) with the way of θ/ρ over it (LL20 Fig. 2, Appendix I)."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workbench.arrays import Array
from workbench.config.models import MexicanHatModel
from workbench.errors import BadInput
from workbench.figures.options import INCHES, FigureOptions
from workbench.figures.series import RunSeries
from workbench.figures.style import BLUE, GREY, RED, legend_above

RINGS, SPOKES = 161, 241
SHADES = LinearSegmentedColormap.from_list("hat", ["white", BLUE])
TICKS = (-1.0, -0.5, 0.0, 0.5, 1.0)
ABOVE = 0.004
"""How far over the surface the way is drawn, so that it is not hidden in it."""


def draw(series: RunSeries, figure: Figure, options: FigureOptions) -> None:
    """f as a surface over the disc u² + v² ≤ 1, the same from above, and on both where θ/ρ has been.

    Raises:
        BadInput: the run's network is another, or its θ was not recorded.
    """
    model = series.run.config.model
    if not isinstance(model, MexicanHatModel):
        raise BadInput(
            f"figure 'hat' cannot be drawn: it is of the network mexican-hat, and that of run "
            f"'{series.name}' is {model.kind}."
        )
    series.require("hat", "theta")
    theta = series.along(FigureOptions(), thin=True).read("theta").astype(np.float64)
    way = theta / np.linalg.norm(theta, axis=1, keepdims=True)
    r, angle = np.meshgrid(np.linspace(0.0, 1.0, RINGS), np.linspace(0.0, 2.0 * np.pi, SPOKES))
    u, v = r * np.cos(angle), r * np.sin(angle)
    height = hat(u, v, np.sqrt(1.0 - r**2), model.power)
    width = INCHES[options.size][0]
    column = options.size == "column"
    figure.set_size_inches(width, (2.0 if column else 0.55) * width)
    shape = (2, 1) if column else (1, 2)
    surface: Any = figure.add_subplot(*shape, 1, projection="3d")
    surface.plot_surface(
        u, v, height, cmap=SHADES, rcount=RINGS, ccount=SPOKES, linewidth=0, rasterized=True
    )
    over = hat(way[:, 0], way[:, 1], np.abs(way[:, 2]), model.power) + ABOVE
    surface.plot(way[:, 0], way[:, 1], over, color=RED, linewidth=1.4, zorder=10)
    surface.view_init(elev=42, azim=-60)
    surface.set(xticks=TICKS, yticks=TICKS, zticks=(0.0, 0.1, 0.2, 0.3))
    surface.set_xlabel("$u$", labelpad=-8)
    surface.set_ylabel("$v$", labelpad=-8)
    surface.set_title("$f(u,v)$", fontsize=9)
    surface.tick_params(labelsize=6, pad=-3)
    _from_above(figure.add_subplot(*shape, 2), u, v, height, way)


def hat(u: Array, v: Array, w: Array, power: int) -> Array:
    """f at u, v and w = √(1 − u² − v²) ≥ 0, with C = 4r⁴/(4r⁴ + w^{2 power}); 0 at the rim."""
    r2, w2 = u**2 + v**2, w**2
    inside = w2 > 1.0 / 800.0
    steep = 1.0 / np.where(inside, w2, 1.0)
    c = 4.0 * r2**2 / (4.0 * r2**2 + w2**power)
    dent = np.exp(-steep) * (1.0 - c * np.sin(np.arctan2(v, u) - steep))
    return np.asarray(np.where(inside, dent, 0.0))


def _from_above(axes: Any, u: Array, v: Array, height: Array, way: Array) -> None:
    # The valley near the brim is shallow, and closer levels show it.
    axes.contourf(
        u, v, height, levels=float(height.max()) * np.linspace(0.0, 1.0, 25) ** 2, cmap=SHADES
    )
    rim = np.linspace(0.0, 2.0 * np.pi, 400)
    axes.plot(np.cos(rim), np.sin(rim), color=GREY, linewidth=0.6)
    axes.plot(way[:, 0], way[:, 1], color=RED, linewidth=1.2)
    axes.plot(way[0, 0], way[0, 1], "o", color=RED, markersize=3.5)
    axes.set_aspect("equal")
    axes.set(xlim=(-1.05, 1.05), ylim=(-1.05, 1.05), xticks=TICKS, yticks=TICKS)
    axes.set_xlabel("$u$")
    axes.set_ylabel("$v$")
    name = r"$\theta/\rho$ from its start"
    legend_above(axes, [Line2D([], [], color=RED, marker="o", markersize=3.5, label=name)])
