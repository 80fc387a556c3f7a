"""Numbers as short labels: exact decimals, superscript powers, k and M, π fractions, durations."""

from __future__ import annotations

import math
from fractions import Fraction

_SUPER = str.maketrans("0123456789-+.", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺·")
_SUFFIXES = ((15, ""), (12, "T"), (9, "G"), (6, "M"), (3, "k"))


def power(exponent: float, mantissa: str = "1", plain: bool = False) -> str:
    """`mantissa · 10^exponent` as `10⁻²⁰⁰⁰⁰` or `5·10⁻⁷`; `1e-20000` in plain ASCII."""
    tail = f"{exponent:.15g}" if abs(exponent) >= 1e15 else f"{exponent:.0f}"
    if plain:
        return f"{mantissa}e{tail}"
    tail = "10" + tail.translate(_SUPER)
    return tail if mantissa == "1" else f"{mantissa}·{tail}"


def fixed(count: int, exponent: int) -> str:
    """`count · 10^exponent` written out with all its digits: (25, −3) is `0.025`."""
    if count == 0:
        return "0"
    sign, digits = ("-" if count < 0 else ""), str(abs(count))
    if exponent >= 0:
        return sign + digits + "0" * exponent
    digits = digits.rjust(1 - exponent, "0")
    return f"{sign}{digits[:exponent]}.{digits[exponent:]}"


def split(count: int, exponent: int) -> tuple[str, int]:
    """`count · 10^exponent` as a mantissa in [1, 10), exact and without trailing zeros, and an exponent."""
    sign, digits = ("-" if count < 0 else ""), str(abs(count))
    kept = digits.rstrip("0") or "0"
    front = kept if len(kept) == 1 else f"{kept[0]}.{kept[1:]}"
    return sign + front, exponent + len(digits) - 1


def scientific(count: int, exponent: int) -> str:
    """`count · 10^exponent` as `2.5e-7`."""
    if count == 0:
        return "0"
    mantissa, power_ = split(count, exponent)
    return f"{mantissa}e{power_}"


def suffixed(count: int, exponent: int) -> str:
    """`count · 10^exponent` as a count: `950`, `20k`, `1.5M`; all digits are kept."""
    if count == 0:
        return "0"
    size = len(str(abs(count))) + exponent
    place, suffix = next((unit for unit in _SUFFIXES if size > unit[0]), (0, ""))
    if place == 15:
        return scientific(count, exponent)
    text = fixed(count, exponent - place)
    return (text.rstrip("0").rstrip(".") if "." in text else text) + suffix


def short(value: float) -> str:
    """About how much: 950, 20k, 12.4k."""
    if not math.isfinite(value):
        return str(value)
    for place, suffix in _SUFFIXES[1:]:
        if abs(value) >= 10.0**place * (1 - 1e-9):
            return f"{value / 10.0**place:.1f}".removesuffix(".0") + suffix
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
