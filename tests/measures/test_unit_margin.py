"""The margin at parameters of norm 1: where there is no order, and where there is one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from workbench.measures.unit_margin import UnitMargin
from workbench.models.skip_linear import SkipLinear
from workbench.models.squared_relu import SquaredRelu
from workbench.norms.l2 import L2
from workbench.run.session import Session, load_config


def test_along_the_flow_of_a_skip_connection_it_falls_as_the_closed_form_says() -> None:
    """VSS22 Theorem 6.1: v = w = 2 e^s, u = 2 + s."""
    s = np.array([0.0, 1.0, 2.0])
    theta = np.column_stack([2.0 * np.exp(s), 2.0 * np.exp(s), 2.0 + s])
    found = UnitMargin(SkipLinear(1, 1), np.ones((1, 1)), np.ones(1)).compute(theta)
    assert found == pytest.approx([0.910684, 0.797436, 0.670313], abs=1e-6)


def test_with_an_order_it_is_the_margin_over_the_power_of_the_norm() -> None:
    rng = np.random.default_rng(3)
    signs = torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0], dtype=torch.float64)
    network = SquaredRelu(3, 5, 0.1, signs)
    x, y = rng.standard_normal((7, 3)), np.sign(rng.standard_normal(7))
    theta = rng.standard_normal((4, 15))
    flat = torch.nn.utils.parameters_to_vector(network.parameters())
    least = []
    for row in theta:
        torch.nn.utils.vector_to_parameters(torch.from_numpy(row).to(flat), network.parameters())
        with torch.no_grad():
            least.append(float((y * network(torch.from_numpy(x)).numpy()).min()))
    found = UnitMargin(network, x, y).compute(theta)
    assert found == pytest.approx(np.array(least) / L2().norm(theta) ** 2, rel=1e-12)


def test_the_preset_of_theorem_6_1_records_its_falling_margin(tmp_path) -> None:
    with Session.create(load_config("vss22-6.1", ["train.steps=300"]), tmp_path) as session:
        session.start()
        assert session.wait(60)
        margin = session.history.scalar("margin_normalized")
    assert margin[0] == pytest.approx(0.910684, abs=1e-6)
    assert (np.diff(margin) < 0).all()
