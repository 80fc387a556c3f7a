"""LL20 Appendix I: on the homogeneous Mexican hat the flow's direction goes round for ever.

With a = 1/(1 − r²), φ = a + ψ and E = e^{−a}, the flow of θ^ over log ρ/L is dφ = E F_φ, da = E F_a up to
1/(1 − f); E only sets the pace, so the path is that of (F_a, F_φ), whose E-free form no a underflows.
On ψ = 0 it is φ = a exactly where 2r/(1 − r²)² dr = dφ, which needs C = 4r⁴/(4r⁴ + (1 − r²)³): see the
erratum. There φ reaches any angle, at log ρ = L ∫ r² (1 − e^{−φ}) e^φ/C dφ, about L e^φ.

ψ = 0 repels: an error grows by e^{4φ³ dφ}. A flow in floating point leaves it near φ = 2.5, falls into
the valley next to it, ψ → π/2, and goes round in that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import mpmath as mp
import numpy as np
from scipy.integrate import solve_ivp

from workbench.arrays import Float
from workbench.claims.checks import Bound, judged, least, most
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.lab import Lab
from workbench.claims.margin_runs import MarginRun, largest_fall, margin_run
from workbench.config.toml import override, parse_config
from workbench.presets import read_preset

Height = Callable[[mp.mpf, mp.mpf, mp.mpf], mp.mpf]
"""h(x, y, z) in many digits."""

ANGLES = (1.05, 1.3, 2.0, 3.5, 6.0, 12.0, 25.0)
"""φ at which the field on ψ = 0 is looked at."""
DIGITS = 80
KEPT = 1e-20
"""Relative size of dψ on ψ = 0 that difference quotients in `DIGITS` digits leave."""
START = 1.05
"""φ = 1/(1 − r²) at the start, the preset's."""
LEAVES = 1.6
"""φ up to which a flow of double precision is to stay on ψ = 0."""
RTOL, FINE_STEPS = 1e-8, 345
"""Of the run that is to stay on ψ = 0; its steps take it past `LEAVES`."""
STEPS: Mapping[Size, int] = {"quick": 520, "full": 12_000}
COARSE_RTOL = 1e-6
"""Of the run that goes on, the preset's."""
PARTS = 10
"""Of the run's later half, over each of which the angle and 1/(1 − r²) are to grow."""
TURNS = 10
"""Turns that the path is followed in the E-free form."""
ROUNDING = 1e-12
GROWS = 10.0
"""Steps' errors beyond which something has grown."""

TURN_FALL = "φ falls from a record to the next, over the integrator's error, later half, most"
TURN_GROWTH = "φ grows over a tenth of that half, over that error, least"
RISE_FALL = "1/(1 − r²) falls from a record to the next, over that error, later half, most"
RISE_GROWTH = "1/(1 − r²) grows over a tenth of that half, over that error, least"


def hat(x: mp.mpf, y: mp.mpf, z: mp.mpf, power: int = 3, order: int = 1) -> mp.mpf:
    """h as Appendix I writes it, with an angle and 1/(1 − r²)."""
    rho = mp.sqrt(x * x + y * y + z * z)
    u, v = x / rho, y / rho
    r2 = u * u + v * v
    rest = 1 - r2
    share = 4 * r2**2 / (4 * r2**2 + rest**power)
    dent = mp.e ** (-1 / rest) * (1 - share * mp.sin(mp.atan2(v, u) - 1 / rest))
    return rho**order * (1 - dent)


def drift(height: Height, angle: float) -> tuple[float, float]:
    """(dψ/dφ, dφ) of the direction along ∇h at ρ = 1, φ = 1/(1 − r²) = angle, by difference quotients."""
    with mp.workdps(DIGITS):
        phi, step = mp.mpf(angle), mp.mpf(10) ** -25
        r = mp.sqrt(1 - 1 / phi)
        at = [r * mp.cos(phi), r * mp.sin(phi), mp.sqrt(1 / phi)]
        slope = []
        for i in range(3):
            ahead, behind = list(at), list(at)
            ahead[i], behind[i] = at[i] + step, at[i] - step
            slope.append((height(*ahead) - height(*behind)) / (2 * step))
        along = mp.fsum(s * p for s, p in zip(slope, at, strict=True))
        tangent = [s - along * p for s, p in zip(slope, at, strict=True)]
        turn = (at[0] * tangent[1] - at[1] * tangent[0]) / r**2
        # 1/(1 − r²) = ρ²/z², whose change at ρ = 1 is −2 dz/z³ for a tangent direction.
        steeper = -2 * tangent[2] / at[2] ** 3
        return float((turn - steeper) / turn), float(turn)


def path_field(a: float, psi: float, power: int = 3) -> tuple[float, float]:
    """(F_a, F_φ): the flow of the direction without its factor e^{−a}."""
    w = 1.0 / a
    r2 = 1.0 - w
    r = np.sqrt(r2)
    whole = 4.0 * r2**2 + w**power
    share = 4.0 * r2**2 / whole
    steeper = 16.0 * r * r2 * whole - 4.0 * r2**2 * (
        16.0 * r * r2 - 2.0 * power * r * w ** (power - 1)
    )
    rise = steeper / whole**2
    s, c = np.sin(psi), np.cos(psi)
    turn = share * c / r2
    outward = 2.0 * r * a**2 * (1.0 - share * s - share * c) + rise * s
    return 2.0 * r * a**2 * w * outward, turn


def follow_path(
    turns: int, power: int = 3, psi: float = 1e-12
) -> tuple[Float[np.ndarray, " K"], Float[np.ndarray, " K"], Float[np.ndarray, " K"]]:
    """a, ψ, log(log ρ/L) on a grid of angles, from φ = `START` with an error `psi`, in floating point."""

    def slope(_: float, y: Float[np.ndarray, "3"]) -> list[float]:
        steeper, turn = path_field(y[0], y[1], power)
        pace = abs(turn)
        return [steeper / pace, (turn - steeper) / pace, float(np.exp(y[0] - y[2])) / pace]

    end = 2.0 * np.pi * turns
    grid = np.linspace(0.0, end, 40 * turns + 1)
    found = solve_ivp(slope, (0.0, end), [START, psi, 0.0], "Radau", grid, rtol=1e-9, atol=1e-13)
    return found.y[0], found.y[1], found.y[2]


def log_growth(angle: float) -> float:
    """log(log ρ/L) at which the flow on ψ = 0 reaches φ, by quadrature of the closed form."""
    with mp.workdps(30):

        def pace(phi: mp.mpf) -> mp.mpf:
            r2 = 1 - 1 / phi
            share = 4 * r2**2 / (4 * r2**2 + (1 - r2) ** 3)
            return r2 * (1 - mp.e**-phi) * mp.e ** (phi - angle) / share

        points = [mp.mpf(START), *(mp.mpf(angle) - k for k in (60, 20, 5) if angle - k > START)]
        return float(mp.log(mp.quad(pace, [*points, mp.mpf(angle)])) + angle)


@dataclass(frozen=True, eq=False)
class Circling:
    """`kept`: |dψ/dφ| on ψ = 0, `pace`: dφ there, by angle; `printed`: dψ/dφ with the printed C. `fine`,
    `coarse`: runs at rtol 1e−8, and as the preset is. `path`: a, ψ, log(log ρ/L) in the E-free form."""

    kept: Float[np.ndarray, " k"]
    pace: Float[np.ndarray, " k"]
    printed: Float[np.ndarray, " k"]
    fine: MarginRun
    coarse: MarginRun
    path: tuple[Float[np.ndarray, " K"], Float[np.ndarray, " K"], Float[np.ndarray, " K"]]


def experiment(lab: Lab, size: Size) -> tuple[Circling, Path | None]:
    """The field and the path of the hat with the corrected C, and two runs."""
    drifts = [drift(hat, angle) for angle in ANGLES]
    coarse = flow(lab, "as preset", COARSE_RTOL, STEPS[size])
    found = Circling(
        np.array([abs(value) for value, _ in drifts]),
        np.array([turn for _, turn in drifts]),
        np.array([drift(printed_hat, angle)[0] for angle in ANGLES]),
        flow(lab, "fine", RTOL, FINE_STEPS),
        coarse,
        follow_path(TURNS),
    )
    return found, coarse.trained.folder


def printed_hat(x: mp.mpf, y: mp.mpf, z: mp.mpf) -> mp.mpf:
    """h with C as printed."""
    return hat(x, y, z, 4)


def flow(lab: Lab, name: str, rtol: float, steps: int, power: int = 3) -> MarginRun:
    """The preset's flow, every step recorded."""
    settings = [
        f'name="LL20-I, {name}"',
        f"model.power={power}",
        f"train.rtol={rtol}",
        f"train.steps={steps}",
        "record.every=1",
        "device.kind=cpu",
        "checkpoint.keep=1",
    ]
    config = parse_config(override(read_preset("ll20-mexican-hat"), settings), "LL20-I")
    return margin_run(lab, config)


def polar(run: MarginRun) -> tuple[Float[np.ndarray, " T"], Float[np.ndarray, " T"]]:
    """φ, unwrapped from the start's 1/(1 − r²), and 1/(1 − r²), of every record."""
    plane = run.structure.view(run.theta, "plane")[:, 0]
    height = run.structure.view(run.theta, "height")[:, 0]
    steep = (run.rho / height) ** 2
    angle = np.unwrap(np.arctan2(plane[:, 1], plane[:, 0]))
    whole = 2.0 * np.pi * np.round((steep[0] - angle[0]) / (2.0 * np.pi))
    return angle + whole, steep


def _error_allowed(angle: Float[np.ndarray, " T"], rtol: float) -> Float[np.ndarray, " T"]:
    """What errors of rtol a step grow to: Σ_k ‖∇ψ‖_k rtol A(φ)/A(φ_k), A the growth along ψ = 0.

    A' = A ∂(F_φ − F_a)/F_φ/∂ψ at ψ = 0, by differences; ‖∇ψ‖ ≤ 1/r + 2r/(1 − r²)².
    """
    grid = np.linspace(angle[0], angle[-1], 4_000)
    tiny = 1e-6
    rate = []
    for phi in grid:
        ahead, behind = (path_field(float(phi), s) for s in (tiny, -tiny))
        rate.append(((ahead[1] - ahead[0]) / ahead[1] - (behind[1] - behind[0]) / behind[1]) / 2e-6)
    pieces = 0.5 * (np.array(rate)[1:] + np.array(rate)[:-1]) * np.diff(grid)
    growth = np.interp(angle, grid, np.concatenate([[0.0], np.cumsum(pieces)]))
    r = np.sqrt(1.0 - 1.0 / angle)
    seen = (1.0 / r + 2.0 * r * angle**2) * rtol * np.exp(-growth)
    return np.asarray(np.cumsum(seen) * np.exp(growth))


def later_half(
    values: Float[np.ndarray, " T"], error: Float[np.ndarray, " T"]
) -> tuple[float, float]:
    """Of the later half of the records, in units of a step's error: the largest fall from one to the next,
    and the least growth over one of `PARTS` parts. NaN where there are too few."""
    values, error = values[len(values) // 2 :], error[len(error) // 2 :]
    if len(values) <= PARTS:
        return float("nan"), float("nan")
    ends = np.linspace(0, len(values) - 1, PARTS + 1).round().astype(np.int64)
    return most(-np.diff(values) / error[:-1]), least(np.diff(values[ends]) / error[ends[:-1]])


def _off(run: MarginRun, rtol: float) -> float:
    """|ψ| over what the integrator's errors may have grown to, while φ < `LEAVES`."""
    angle, steep = polar(run)
    part = angle < LEAVES
    if not part.any() or part.all():
        return float("nan")
    return most(np.abs(angle - steep)[part] / _error_allowed(angle[part], rtol))


def _last_psi(run: MarginRun) -> float:
    """|ψ| at the last record with φ < `LEAVES`."""
    angle, steep = polar(run)
    return float(np.abs(angle - steep)[angle < LEAVES][-1])


def measure(found: Circling) -> Measured:
    """ψ = 0 is kept, φ and r rise, γ~ does not fall; the path goes round and r → 1."""
    angle, steep = polar(found.coarse)
    r = np.sqrt(1.0 - 1.0 / steep)
    # An error of rtol in θ^ moves φ by rtol/r and 1/(1 − r²) by rtol 2r/(1 − r²)².
    turn = later_half(angle, COARSE_RTOL / r)
    rise = later_half(steep, COARSE_RTOL * 2.0 * r * steep**2)
    a, psi, log_log = found.path
    turned = a + psi
    exact = [log_growth(2.0 * np.pi * k) for k in (1, 2, TURNS)]
    return Measured(
        {
            "|dψ/dφ| on ψ = 0 in 80 digits, most": most(found.kept),
            "dφ on ψ = 0, least": least(found.pace),
            "|ψ| over what errors of 1e−8 a step grow to, φ < 1.6, most": _off(found.fine, RTOL),
            TURN_FALL: turn[0],
            TURN_GROWTH: turn[1],
            RISE_FALL: rise[0],
            RISE_GROWTH: rise[1],
            "γ~ falls from a record to the next by, most": largest_fall(found.coarse.smoothed),
            "turns of the path followed": float((turned[-1] - turned[0]) / (2.0 * np.pi)),
            "(1 − r²) φ at its end": float(turned[-1] / a[-1]),
            "log(log ρ/L) on ψ = 0 off φ after 10 turns, over log φ": abs(
                exact[-1] - 2.0 * np.pi * TURNS
            )
            / float(np.log(2.0 * np.pi * TURNS)),
            "printed C: dψ/dφ on ψ = 0 off r², most": most(
                np.abs(found.printed - (1.0 - 1.0 / np.array(ANGLES)))
            ),
        },
        {
            "|ψ| of the run at φ = 1.6": _last_psi(found.fine),
            "radians of the run": float(angle[-1] - angle[0]),
            "r at its end": float(np.sqrt(1.0 - 1.0 / steep[-1])),
            "ψ at its end": float(angle[-1] - steep[-1]),
            "log(log ρ/L) of the path after 10 turns": float(log_log[-1]),
            "log(log ρ/L) on ψ = 0 at one turn": exact[0],
        },
    )


def criterion(measured: Measured) -> tuple[Check, ...]:
    """ψ = 0 is kept, the angle grows without bound, the radius goes to 1; a fall is one beyond the
    integrator's error.

    r → 1 with the angle: (1 − r²) φ stays near 1, as φ − 1/(1 − r²) = ψ is bounded by the valley's π/2.
    """
    end = 2.0 * np.pi * TURNS
    bounds: list[Bound] = [
        ("|dψ/dφ| on ψ = 0 in 80 digits, most", "<", KEPT, ""),
        ("dφ on ψ = 0, least", "≥", 1e-300, ""),
        ("|ψ| over what errors of 1e−8 a step grow to, φ < 1.6, most", "≤", 1.0, ""),
        (TURN_FALL, "≤", 1.0, ""),
        (TURN_GROWTH, "≥", GROWS, ""),
        (RISE_FALL, "≤", 1.0, ""),
        (RISE_GROWTH, "≥", GROWS, ""),
        ("γ~ falls from a record to the next by, most", "≤", ROUNDING, ""),
        ("turns of the path followed", "≥", TURNS - 1e-6, ""),
        ("(1 − r²) φ at its end", "≤", 1.0 + np.pi / (end - np.pi), ""),
        ("log(log ρ/L) on ψ = 0 off φ after 10 turns, over log φ", "≤", 1.0, ""),
        ("printed C: dψ/dφ on ψ = 0 off r², most", "<", KEPT * 1e5, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="LL20-I",
        paper="LL20",
        place="Appendix I, Theorem I.1",
        statement="On the homogeneous Mexican hat the flow from φ = 1/(1 − r²) keeps that, its angle grows "
        "without bound and r → 1: smooth and homogeneous, without directional convergence.",
        method="The field on φ = 1/(1 − r²) in 80 digits; the flow of θ by the engine while double precision "
        "can hold it there, and on; the path of θ^ followed for ten turns, its pace apart.",
        experiment=experiment,
        measure=measure,
        criterion=criterion,
        figure="directions",
        erratum="C(r) must be 4r⁴/(4r⁴ + (1 − r²)³): on the sphere dr/dt carries a factor 1 − r², which the "
        "line for dψ/dt drops. With the printed power 4, dψ/dφ = r² on ψ = 0; the direction "
        "still circles, in the valley beside it.",
    ),
)
