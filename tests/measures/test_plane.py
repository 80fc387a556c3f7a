"""Surfaces over the plane against single evaluations, and the tangent's against finite differences."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from workbench.config.toml import parse_config
from workbench.data.load import load_dataset
from workbench.measures.plane import PlaneSurface, is_planar, plane_grid
from workbench.models.build import build_model
from workbench.models.network import flatten

MODELS = (
    {"kind": "squared-relu", "width": 7, "signs": "random"},
    {"kind": "two-layer-relu", "width": 5},
    {"kind": "deep-relu", "widths": [6, 4]},
)


def made(model, data="jt20-planar"):
    config = parse_config({"data": {"kind": data, "n": 20}, "model": model}, "test")
    dataset = load_dataset(config.data)
    return build_model(config.model, dataset.x.shape[1:], 1, 3), dataset


def theta_of(network, seed=0):
    size = sum(p.numel() for p in network.parameters())
    return np.random.default_rng(seed).standard_normal(size)


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m["kind"])
def test_every_point_is_the_networks_own_prediction(model):
    network, data = made(model)
    grid = plane_grid(data.x, 9, 6)
    theta = theta_of(network)
    surface = PlaneSurface(network, grid, data.x).at(theta)
    assert surface.shape == grid.shape == (6, 9)
    alone = copy.deepcopy(network)
    flatten(alone, torch.float64, torch.device("cpu")).copy_(torch.from_numpy(theta))
    for row in range(6):
        for column in range(9):
            at = torch.tensor([[grid.first[column], grid.second[row], 1.0]], dtype=torch.float64)
            with torch.no_grad():
                value = float(alone(at))
            assert surface[row, column] == pytest.approx(value, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m["kind"])
def test_tangent_is_the_derivative_along_the_direction(model):
    network, data = made(model)
    surface = PlaneSurface(network, plane_grid(data.x, 5, 4), data.x)
    theta, along, h = theta_of(network), theta_of(network, 1), 1e-6
    differences = (surface.at(theta + h * along) - surface.at(theta - h * along)) / (2 * h)
    tangent = surface.tangent(theta, along)
    np.testing.assert_allclose(tangent, differences, rtol=2e-4, atol=2e-4 * np.abs(tangent).max())


def test_blocks_do_not_change_a_prediction(monkeypatch):
    network, data = made(MODELS[0])
    grid, theta = plane_grid(data.x, 12, 11), theta_of(network)
    whole = PlaneSurface(network, grid, data.x).at(theta)
    monkeypatch.setattr("workbench.measures.plane.BLOCK_NUMBERS", 50)
    np.testing.assert_allclose(PlaneSurface(network, grid, data.x).at(theta), whole, rtol=1e-14)


def test_the_network_that_trains_is_not_moved():
    network, data = made(MODELS[1])
    before = [p.clone() for p in network.parameters()]
    PlaneSurface(network, plane_grid(data.x, 3, 3), data.x).at(theta_of(network))
    for old, new in zip(before, network.parameters(), strict=True):
        assert torch.equal(old, new)


def test_grid_covers_the_samples_and_carries_the_constant():
    data = made(MODELS[0])[1]
    grid = plane_grid(data.x, 10, 8)
    assert (grid.inputs[:, 2] == 1.0).all()
    assert grid.first[0] < data.x[:, 0].min()
    assert grid.first[-1] > data.x[:, 0].max()
    assert grid.second[0] < data.x[:, 1].min()
    assert grid.second[-1] > data.x[:, 1].max()


def test_what_is_no_plane():
    flat = np.random.default_rng(0).standard_normal((4, 2))
    assert is_planar(flat)
    assert is_planar(np.column_stack([flat, np.full(4, 0.5)]))
    assert not is_planar(np.column_stack([flat, np.arange(4.0)]))
    assert not is_planar(np.column_stack([flat, np.zeros(4)]))
    assert not is_planar(np.zeros((4, 8, 8)))
    with pytest.raises(ValueError, match="plane"):
        plane_grid(np.zeros((4, 4)), 3, 3)
    assert plane_grid(np.ones((3, 2)), 2, 2).inputs.shape == (4, 2)
