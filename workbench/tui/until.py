"""What a person types to run until: a step, a risk that may be too small for a float, the next saddle."""

from __future__ import annotations

import re
from math import log10

from workbench.errors import BadInput, clean_text
from workbench.protocol.commands import RunUntil

_RISK = re.compile(r"([0-9]*\.?[0-9]+)(?:e([+-]?[0-9]{1,9}))?", re.IGNORECASE)


def parse_until(text: str) -> RunUntil:
    """`step 20000`, `20000`, `risk 1e-400`, `risk < 0.01`, `saddle`; raises BadInput for anything else."""
    words = text.lower().replace("<", " ").replace("=", " ").replace(",", "").split()
    if words in (["saddle"], ["next", "saddle"]):
        return RunUntil(next_saddle=True)
    if len(words) == 1:
        words = ["step", *words]
    if len(words) == 2 and words[0] == "step" and words[1].isdigit():
        return RunUntil(step=int(words[1]))
    if len(words) == 2 and words[0] == "risk":
        match = _RISK.fullmatch(words[1])
        if match and float(match[1]) > 0:
            return RunUntil(log10_risk=log10(float(match[1])) + int(match[2] or 0))
    raise BadInput(
        f"'{clean_text(text, 40)}' is neither a step (step 20000), a risk (risk 1e-6) nor 'saddle'"
    )
