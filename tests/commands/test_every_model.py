"""Every kind of network under every loss: each look at a run answers, or refuses in one sentence."""

from __future__ import annotations

import numpy as np
import pytest

from commands.main import app
from workbench.config.toml import parse_config
from workbench.errors import BadInput
from workbench.figures.registry import FIGURES
from workbench.losses.registry import LOSSES
from workbench.run.session import Session

MODELS = {
    "squared-relu": {"kind": "squared-relu", "width": 4, "signs": "alternate"},
    "two-layer-relu": {"kind": "two-layer-relu", "width": 4},
    "two-layer-relu bent": {"kind": "two-layer-relu", "width": 3, "leak": -0.2},
    "two-layer-relu linear": {"kind": "two-layer-relu", "width": 3, "leak": 1.0},
    "deep-relu 2": {"kind": "deep-relu", "widths": [4]},
    "deep-relu 3": {"kind": "deep-relu", "widths": [4, 3], "leak": -0.5},
    "two-trainable-relu": {"kind": "two-trainable-relu", "widths": [4, 3]},
    "deep-linear 1": {"kind": "deep-linear", "depth": 1},
    "deep-linear 2": {"kind": "deep-linear", "width": 3, "depth": 2},
    "deep-linear 4": {"kind": "deep-linear", "width": 3, "depth": 4},
    "diagonal 1": {"kind": "diagonal", "depth": 1},
    "diagonal 2": {"kind": "diagonal"},
    "diagonal relu": {"kind": "diagonal", "activation": "relu"},
    "diagonal 3": {"kind": "diagonal", "depth": 3},
    "sparse": {"kind": "sparse", "masks": [[[1, 1], [1, 0]], [[1, 1]]]},
    "shared-patches": {"kind": "shared-patches"},
    "skip-linear": {"kind": "skip-linear"},
    "mexican-hat": {"kind": "mexican-hat"},
    "ntk": {"kind": "ntk", "base": {"kind": "two-layer-relu", "width": 3}},
    "ntk diagonal": {"kind": "ntk", "base": {"kind": "diagonal"}, "constant": True},
    "residual": {"kind": "residual", "width": 4, "blocks": 1, "batch_norm": False},
    "residual normalized": {"kind": "residual", "width": 4, "blocks": 1},
}
LOOKS = (
    ("inspect",),
    ("inspect", "--at", "0", "--json"),
    ("optimal",),
    ("optimal", "--json"),
    ("robustness", "--samples", "2"),
    ("show",),
)


def labelled(loss):
    """Four inputs in the plane with labels that the loss takes, apart from each other."""
    x = np.array([[2.0, 0.6], [0.7, 2.0], [-2.0, 0.3], [-0.5, -2.0]])
    return {
        "kind": "inline",
        "x": x.tolist(),
        "y": {"square": [1.5, 0.5, -1.0, -2.0], "cross-entropy": [0, 0, 1, 2]}.get(
            loss, [1.0, 1.0, -1.0, -1.0]
        ),
    }


def looked(*arguments):
    """(exit code, refusal) of a command in this process; anything else that it raises is a failure."""
    try:
        app(args=list(arguments), prog_name="workbench")
    except SystemExit as ended:
        return ended.code, ""
    except BadInput as error:
        return 0, str(error)
    return 0, ""


@pytest.mark.full
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", MODELS)
def test_every_look_answers_or_refuses(name, loss, tmp_path, capsys):
    classes = loss != "square"
    values = {
        "data": labelled(loss),
        "model": MODELS[name],
        "init": {"kind": "gaussian", "scale": 0.5 if classes else 1e-3, "seed": 1},
        "loss": {"kind": loss},
        "train": {"rule": "normalized", "lr": 0.1, "steps": 200}
        if classes
        else {"lr": 1e-2, "steps": 40},
        "record": {"every": 10},
        "pause": {"at_saddle": False},
        "device": {"kind": "cpu"},
    }
    if loss == "cross-entropy" and not MODELS[name]["kind"].startswith(("deep", "residual")):
        with pytest.raises(BadInput, match="one output"):
            Session.create(parse_config(values, "test"), tmp_path)
        return
    with Session.create(parse_config(values, "test"), tmp_path) as session:
        session.start()
        assert session.wait(120)
        assert session.engine.error is None
    figures = [("plot", "--figure", name, "-o", str(tmp_path / "figure.png")) for name in FIGURES]
    for command, *options in (*LOOKS, *figures):
        code, refused = looked(command, str(session.folder), *options)
        assert not code
        assert not refused or (refused.endswith(".") and "\n" not in refused)
    capsys.readouterr()
