"""The distance from the tangent kernel's predictor: against kernels by hand, the same bits however run."""

from __future__ import annotations

import numpy as np
import pytest
from cases import finished, small
from scipy.optimize import minimize

from workbench.data.load import load_dataset
from workbench.errors import BadInput
from workbench.record.reader import RunReader
from workbench.run.experiment import experiment_of
from workbench.run.member_run import run_members
from workbench.run.session import Session

ASKED = ("measures.kernel_distance=true", "data.n=40", "data.d=30", "data.test.split=0.6")
DIAGONAL = ("model.kind=diagonal", "init.kind=inline", "init.values.w1=2.0", "init.values.w2=0.0")
SQUARE = ("loss.kind=square", "data.d=8", "data.n=20", "init.scale=0.7")
QUICK = ("train.steps=40", "checkpoint.every=20")


def recorded(folder):
    with RunReader(folder) as reader:
        return {name: reader.read(name) for name in (*reader.series_names(), "step")}


def test_the_classifier_of_a_diagonal_start_is_that_of_the_inputs(tmp_path):
    folder = finished(tmp_path, *QUICK, *ASKED, *DIAGONAL).folder
    data = load_dataset(small(*ASKED, *DIAGONAL).data)
    z = data.y[:, None] * data.x
    found = minimize(
        lambda w: 0.5 * w @ w,
        np.linalg.lstsq(z, np.ones(len(z)), rcond=None)[0],
        jac=lambda w: w,
        constraints={"type": "ineq", "fun": lambda w: z @ w - 1.0, "jac": lambda w: z},
        tol=1e-12,
    )
    kernel = data.test.x @ found.x
    got = recorded(folder)
    assert np.isnan(got["kernel_distance"][0])
    for theta, distance in zip(got["theta"][1:], got["kernel_distance"][1:], strict=True):
        outputs = data.test.x @ (theta[:30] * theta[30:])
        gap = outputs / np.linalg.norm(outputs) - kernel / np.linalg.norm(kernel)
        assert distance == pytest.approx(np.linalg.norm(gap), rel=1e-5)


def test_the_regression_solves_with_the_kernel_matrix(tmp_path):
    settings = (*QUICK, "measures.kernel_distance=true", *SQUARE)
    folder = finished(tmp_path, *settings).folder
    got, data = recorded(folder), load_dataset(small(*settings).data)
    theta = got["theta"][0]
    u, v = theta[: 6 * 8].reshape(6, 8), theta[6 * 8 :]
    s = data.x @ u.T
    gates = (s > 0.0).astype(float)
    # One layer beside the other: ∂Φ/∂v = σ(s), ∂Φ/∂u = v σ'(s) x.
    k = np.maximum(s, 0) @ np.maximum(s, 0).T + (gates * v**2) @ gates.T * (data.x @ data.x.T)
    first = np.maximum(s, 0.0) @ v
    kernel = first + k @ np.linalg.pinv(k, rcond=1e-10) @ (data.y - first)
    for theta, distance in zip(got["theta"], got["kernel_distance"], strict=True):
        outputs = np.maximum(data.x @ theta[:48].reshape(6, 8).T, 0.0) @ theta[48:]
        wanted = np.linalg.norm(outputs - kernel) / np.linalg.norm(kernel)
        assert distance == pytest.approx(wanted, rel=1e-8)


def test_goes_on_to_the_last_bit_and_a_member_is_its_run(tmp_path):
    settings = (*QUICK, *ASKED)
    whole = recorded(finished(tmp_path, *settings).folder)["kernel_distance"]
    part = finished(tmp_path, *settings, "train.steps=20").folder
    with Session.resume(part, steps=40) as session:
        session.start()
        assert session.wait(60)
    assert recorded(part)["kernel_distance"].tobytes() == whole.tobytes()
    seeds = [{"init.seed": 1}, {"init.seed": 4}]
    members = run_members(small(*settings), seeds, series=("kernel_distance",))
    other = recorded(finished(tmp_path, *settings, "init.seed=4").folder)["kernel_distance"]
    np.testing.assert_array_equal(members.series["kernel_distance"][:, 1], other)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (("data={kind='inline', x=[[1, 0], [2, 0]], y=[1, -1]}",), "of the tangents at the start, "),
        (("data={kind='inline', x=[[0, 0], [2, 0]], y=[1, -1]}",), "the tangent of a sample"),
        (("data.kind=digits", "data.classes=[0,1,2]", "data.n=30", "loss.kind=cross-entropy",
          "model.kind=deep-relu", "init.kind=he"), "needs one output, and the network has 3"),
        (("model.kind=torch", "model.class=tests.models.own_modules:Dropping"),
         "needs outputs that depend on weights and a sample alone"),
    ],
    ids=["inseparable", "zero", "classes", "draws"],
)  # fmt: skip
def test_is_refused_where_there_is_no_such_predictor(settings, said):
    with pytest.raises(BadInput, match=said):
        experiment_of(small("measures.kernel_distance=true", *settings))
