"""Numbers as short labels: superscript powers, k and M, π fractions, signed margins."""

from __future__ import annotations

import math
from fractions import Fraction

_SUPER = str.maketrans("0123456789-+.", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺·")


def power(exponent: float, mantissa: float = 1.0, plain: bool = False) -> str:
    """`mantissa · 10^exponent` as `10⁻²⁰⁰⁰⁰` or `5·10⁻⁷`; `1e-20000` in plain ASCII."""
    front = f"{mantissa:.10g}"
    if plain:
        return f"{front}e{exponent:g}"
    tail = "10" + f"{exponent:g}".translate(_SUPER)
    return tail if front == "1" else f"{front}·{tail}"


def decimals(value: float, step: float) -> str:
    """A number with just the digits that tell it from its neighbours `step` away."""
    if not math.isfinite(value):
        return str(value)
    if value == 0 or abs(value) < abs(step) * 1e-6:
        return "0"
    size = max(abs(value), abs(step))
    digits = _digits(step)
    if digits > 6 or size >= 1e7:
        exponent = math.floor(math.log10(size))
        precision = max(0, exponent - math.floor(math.log10(abs(step)) + 1e-9))
        front = f"{value / 10.0**exponent:.{min(precision, 12)}f}"
        return f"{front}e{exponent}"
    text = f"{value:.{digits}f}"
    return text if float(text) != 0 else "0"


def _digits(step: float) -> int:
    """Decimals that show multiples of a step exactly, for steps such as 0.25 too."""
    if step == 0 or not math.isfinite(step):
        return 0
    digits = max(0, -math.floor(math.log10(abs(step)) + 1e-9))
    scaled = abs(step) * 10.0**digits
    return digits if abs(scaled - round(scaled)) < 1e-6 * scaled else digits + 1


def short(value: float, step: float = 0.0) -> str:
    """A count such as a step: 950, 20k, 1.5M. `step` is the distance to its neighbours."""
    if not math.isfinite(value):
        return str(value)
    for unit, suffix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= unit * (1 - 1e-9):
            digits = _digits(step / unit) if step else 1
            text = f"{value / unit:.{min(digits, 9)}f}"
            return (text.rstrip("0").rstrip(".") if "." in text else text) + suffix
    if step and step < 1:
        return decimals(value, step)
    return f"{value:.4g}"


def pi_fraction(value: Fraction) -> str:
    """A multiple of π: `-3π/4`, `π`, `0`."""
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    top, bottom = abs(value.numerator), value.denominator
    front = "" if top == 1 else str(top)
    return f"{sign}{front}π" + ("" if bottom == 1 else f"/{bottom}")


def thousands(value: float) -> str:
    """A step with separators: 60,000; a fractional position keeps one digit."""
    if not math.isfinite(value):
        return str(value)
    return f"{value:,.0f}" if abs(value - round(value)) < 1e-9 else f"{value:,.1f}"


def duration(seconds: float) -> str:
    """A time to go: 45s, 3m10s, 2h05m, 4d03h; `?` when it is not known."""
    if not math.isfinite(seconds) or seconds < 0:
        return "?"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    days = whole // 86400
    return f"{days}d{whole % 86400 // 3600:02d}h" if days < 10000 else "?"
