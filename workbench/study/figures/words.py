"""What an outcome or a series is called on an axis."""

from __future__ import annotations

from textwrap import wrap

from matplotlib.figure import Figure
from xarray import DataArray, Dataset

from workbench.figures.options import Size
from workbench.figures.style import GREY
from workbench.study.figures.keys import plain
from workbench.study.values import SADDLE

LOGARITHMS = {
    "log_risk": r"$\log_{10}\,\mathcal{L}$",
    "grad_norm_log": r"$\log_{10}\,\|\nabla\mathcal{L}\|$",
    "time_log": r"$\log_{10}\,T$",
    "learning_rate_log": r"$\log_{10}\,\eta$",
}
"""Natural logarithms that a page shows to the base ten, with their names there."""
NOTE_WIDTH: dict[Size, int] = {"column": 76, "page": 160}
"""Characters of a line of small letters."""
SYMBOLS = {
    "margin_normalized": r"$\bar\gamma=q_{\min}/\rho^L$",
    "margin_smoothed": r"$\tilde\gamma=\ell^{-1}(\mathcal{L})/\rho^L$",
    "margin_multi": r"$\bar\gamma_m=q_{\min}/\prod\rho_i^{k_i}$",
    "rho": r"$\rho=\|\theta\|$",
    "q_min": r"$q_{\min}$",
}


def is_logarithm(name: str) -> bool:
    """Whether a page shows this divided by ln 10."""
    return _base(name) in LOGARITHMS


def label_of(dataset: Dataset, name: str, saddle: int = 1, width: int = 44) -> str:
    """The quantity in symbols where it has some, else in words, in lines of `width`."""
    base = _base(name)
    text = LOGARITHMS.get(base) or SYMBOLS.get(base)
    if text is None:
        array: DataArray = dataset[name]
        said = plain(str(array.attrs.get("long_name", "") or name.replace("_", " ")), 160)
        text = "\n".join(wrap(said, width))
    return f"{text}, saddle {saddle}" if SADDLE in dataset[name].dims else text


def note_below(figure: Figure, sentences: list[str], size: Size) -> None:
    """Sentences in small letters under everything else, in lines that the page holds."""
    lines = [line for text in sentences for line in wrap(text, NOTE_WIDTH[size])]
    figure.supxlabel("\n".join(lines), fontsize=7, color=GREY, x=0.02, ha="left")


def _base(name: str) -> str:
    """The name of the series that an outcome is of."""
    for prefix in ("last_", "saddle_", "end_"):
        if name.startswith(prefix):
            return name[len(prefix) :]
    return name
