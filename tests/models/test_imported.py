"""Modules of the user's: what cannot serve is refused in a sentence; an order must hold far out too."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from workbench.config.toml import parse_config
from workbench.errors import BadInput
from workbench.run.homogeneity import report
from workbench.run.session import Session


class Linear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(2, 1, bias=False)

    def forward(self, x):
        return self.a(x)


class Tuple(Linear):
    def forward(self, x):
        return self.a(x), x


class TwoHeads(Linear):
    def forward(self, x):
        return self.a(x), self.a(-x)


class Dictionary(Linear):
    def forward(self, x):
        return {"outputs": self.a(x)}


class NoNumbers(Linear):
    def forward(self, x):
        return self.a(x) * float("nan")


class Detached(Linear):
    def forward(self, x):
        return self.a(x).detach()


class Complex(Linear):
    def forward(self, x):
        return self.a(x) + 1j


class Raises(Linear):
    def forward(self, x):
        return self.nothing(x)


class Asserts(Linear):
    def forward(self, x):
        assert x.shape[1] == 7, "seven numbers"
        return self.a(x)


class Picture(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.filters = nn.Conv2d(1, 2, 3)

    def forward(self, x):
        return self.filters(x).mean((2, 3))[:, :1]


class Cube(Linear):
    def forward(self, x):
        return self.a(x)[:, :, None].expand(-1, 2, 3)


class Lazy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.LazyLinear(1, bias=False)

    def forward(self, x):
        return self.a(x)


class NoWeights(nn.Module):
    def forward(self, x):
        return x.sum(1)


class Unbuilt(nn.Module):
    def __init__(self) -> None:
        self.a = nn.Linear(2, 1)


REFUSED = {
    "Tuple": "gives a tuple",
    "TwoHeads": "gives a tuple",
    "Dictionary": "gives a dict",
    "NoNumbers": "not finite",
    "Detached": "without a gradient",
    "Complex": "complex128",
    "Raises": "AttributeError",
    "Asserts": "seven numbers",
    "Picture": "cannot take inputs",
    "Cube": "needed is",
    "Lazy": "LazyLinear",
    "NoWeights": "no trainable parameters",
    "Unbuilt": "fails: AttributeError",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_serve_is_refused_by_model_and_by_run(name, tmp_path):
    path = f"{__name__}:{name}"
    with pytest.raises(BadInput, match=REFUSED[name]) as model:
        report(path, "2", [])
    values = {
        "data": {"kind": "inline", "x": [[1.0, 0.5], [-1.0, 0.3]], "y": [1, -1]},
        "model": {"kind": "torch", "class": path},
        "init": {"kind": "gaussian", "scale": 0.5},
        "loss": {"kind": "logistic"},
        "train": {"steps": 2},
        "device": {"kind": "cpu"},
    }
    with pytest.raises(BadInput, match=REFUSED[name]) as run:
        Session.create(parse_config(values, "test"), tmp_path)
    assert not list(tmp_path.iterdir())
    for refused in (model, run):
        assert "\n" not in str(refused.value)
        assert str(refused.value).endswith(".")


@pytest.mark.parametrize(
    ("source", "said"),
    [("def f(:", "SyntaxError"), ("raise RuntimeError('boom')", "boom"), ("exit(3)", "SystemExit")],
)
def test_files_that_cannot_be_imported(source, said, tmp_path, monkeypatch):
    name = f"broken_{said.lower()}"
    (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(BadInput, match=said):
        report(f"{name}:Net", "2", [])
    with pytest.raises(BadInput, match="no import path"):
        report(f"{name}: Net", "2", [])


class Clamped(Linear):
    """Linear as long as outputs stay within ±50."""

    def forward(self, x):
        return torch.clamp(self.a(x), -50, 50)


class Offset(Linear):
    """Linear but for what weights of ordinary size hide in rounding."""

    def forward(self, x):
        return self.a(x) + 1e-9


class Normed(nn.Module):
    """Of order 0: only the direction of the weights counts."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.ones(2))

    def forward(self, x):
        return x @ (self.w / self.w.norm())


class Deep(nn.Module):
    """Sixty-four factors: of order 64, whose powers leave the range of a float soon."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.ones(64, 2))

    def forward(self, x):
        return (x * self.w.prod(0)).sum(1)


@pytest.mark.parametrize("name", ["Clamped", "Offset"])
def test_what_is_homogeneous_nearby_only_has_no_order(name):
    found = report(f"{__name__}:{name}", "2", [])
    assert found.homogeneity.order is None
    assert [layer.order for layer in found.homogeneity.layers] == [None]
    assert "not homogeneous" in found.as_text()


def test_orders_0_and_64():
    none = report(f"{__name__}:Normed", "2", [])
    assert (none.homogeneity.order, none.homogeneity.layer_orders) == (0.0, (0.0,))
    assert "-0" not in none.as_text().replace("e-0", "")
    assert "-0.0" not in str(none.as_json())
    assert report(f"{__name__}:Deep", "2", []).homogeneity.order == 64.0
