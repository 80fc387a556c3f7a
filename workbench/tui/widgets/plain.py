"""Readable ASCII in place of the characters that a terminal or an encoding lacks."""

from __future__ import annotations

import locale
import unicodedata
from collections.abc import Mapping

_PLAIN = str.maketrans(
    {"γ": "g", "θ": "theta", "π": "pi", "‖": "|", "∞": "inf", "─": "-", "━": "-", "│": "|"}
    | {"·": "-", "—": "-", "–": "-", "…": "~", "×": "x", "°": "deg", "−": "-", "≤": "<=", "≥": ">="}
    | {
        "●": "*",
        "○": "o",
        "•": "o",
        "▲": "^",
        "▼": "v",
        "◆": "#",
        "▬": "=",
        "◀": "<",
        "▶": ">",
        "❚": "|",
    }
    | {
        "←": "<",
        "→": ">",
        "↑": "^",
        "↓": "v",
        "┤": "+",
        "┊": ":",
        "⋅": ".",
        "λ": "lambda",
        "η": "eta",
        "Φ": "Phi",
    }
    | {"ū": "u", "′": "'", "σ": "sigma", "₂": "2"}
    | {"ρ": "rho", "ε": "eps", "δ": "delta", "Δ": "D", "∇": "grad", "𝓛": "L", "█": "#", "░": "."}
    | {"▒": ":", "▓": "%", "✓": "+", "✗": "x", "⁻": "-", "₀": "0", "₁": "1", "ⱼ": "j", "ᵢ": "i"}
    | {c: str(i) for i, c in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")}
    | {
        "η": "eta",
        "Φ": "Phi",
        "²": "^2",
        "³": "^3",
        "╹": "'",
        "╵": ".",
        "∝": "~",
        "ᵀ": "T",
        "⟨": "<",
        "⟩": ">",
    }
    | {c: str(i) for i, c in enumerate("₀₁₂₃₄₅₆₇₈₉")}
    | {
        "±": "+-",
        "≈": "~",
        "≠": "!=",
        "√": "sqrt",
        "½": "1/2",
        "∈": "in",
        "Σ": "sum",
        "∑": "sum",
        "∂": "d",
    }
    | {
        "α": "alpha",
        "β": "beta",
        "κ": "kappa",
        "μ": "mu",
        "τ": "tau",
        "φ": "phi",
        "ω": "omega",
        "ν": "nu",
    }
    | {
        "ψ": "psi",
        "ζ": "zeta",
        "ξ": "xi",
        "Θ": "Theta",
        "Λ": "Lambda",
        "∏": "prod",
        "∫": "int",
        "§": "S",
    }
    | {
        "⋯": "...",
        "⊥": "_|_",
        "∥": "||",
        "↦": "->",
        "∘": "o",
        "₋": "-",
        "⊗": "x",
        "∪": "or",
        "■": "#",
        "▸": ">",
        "▐": "|",
        "▌": "|",
        "▦": "#",
        "╳": "X",
    }
    | dict(zip("▁▂▃▄▅▆▇", "_.-=+*%", strict=True))
)


def plain(text: str) -> str:
    """Text in ASCII: stand-ins where there are some, letters without their marks, else question marks."""
    text = "".join(c for c in text if not unicodedata.combining(c)).translate(_PLAIN)
    text = "".join(c if c.isascii() else unicodedata.normalize("NFKD", c) for c in text)
    text = "".join(c for c in text if not unicodedata.combining(c))
    return text.encode("ascii", "replace").decode("ascii")


def asked_encoding(environ: Mapping[str, str]) -> str:
    """The encoding asked for. Python itself makes UTF-8 of the C locale; who asks for C wants ASCII."""
    ctype = environ.get("LC_CTYPE", "")
    # What Python puts there for a C locale (PEP 538) says nothing of the terminal.
    asked = environ.get("LC_ALL") or ("" if ctype == "C.UTF-8" else ctype) or environ.get("LANG")
    return "ascii" if asked in ("C", "POSIX") else locale.getpreferredencoding(False)
