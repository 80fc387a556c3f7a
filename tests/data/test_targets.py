"""Several targets a sample: where they come from, the linear teacher's, inputs as targets, and refusals."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from cases import small
from pydantic import TypeAdapter

from workbench.config.data import DataConfig
from workbench.config.toml import parse_config
from workbench.data.dataset import require_labels
from workbench.data.load import load_dataset
from workbench.errors import BadInput
from workbench.losses.registry import loss_of
from workbench.run.experiment import experiment_of

ADAPTER = TypeAdapter(DataConfig)
TABLE = "a,p,b,q\n1,2,3,4\n5,6,7,8\n9,10,11,12\n"


def load(**table):
    return load_dataset(ADAPTER.validate_python(table))


def csv(folder, text=TABLE, **more):
    (folder / "t.csv").write_text(text)
    return {"kind": "csv", "path": str(folder / "t.csv"), **more}


def test_columns_of_a_table_in_the_order_asked_for(tmp_path):
    found = load(**csv(tmp_path, targets=["q", "p"]))
    assert found.x.tolist() == [[1, 3], [5, 7], [9, 11]]
    assert found.y.tolist() == [[4, 2], [8, 6], [12, 10]]
    assert (found.targets, found.labels) == (2, "real")
    assert load(**csv(tmp_path, targets=["p"])).y.tolist() == [2, 6, 10]


def test_arrays_of_archives_and_of_hdf5(tmp_path):
    x, y = np.arange(8.0).reshape(4, 2), np.arange(12.0).reshape(4, 3)
    np.savez(tmp_path / "a.npz", x=x, y=y, one=y[:, :1])
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"], file["y"] = x, y
    for kind in ("npz", "hdf5"):
        path = str(tmp_path / ("a.npz" if kind == "npz" else "a.h5"))
        assert load(kind=kind, path=path).y.tolist() == y.tolist()
    assert load(kind="npz", path=str(tmp_path / "a.npz"), y="one").y.shape == (4,)
    inline = load(kind="inline", x=x.tolist(), y=y.tolist())
    assert inline.y.tolist() == y.tolist()


def test_the_targets_are_the_inputs(tmp_path):
    plain = load(kind="digits", n=60, test={"split": 0.25})
    coded = load(kind="digits", n=60, targets="inputs", test={"split": 0.25})
    assert np.array_equal(coded.x, plain.x)
    assert np.array_equal(coded.y, plain.x)
    assert np.array_equal(coded.test.y, plain.test.x)
    assert load(**csv(tmp_path, targets="inputs")).y.shape == (3, 4)
    without = load(**csv(tmp_path, targets="inputs", label="p"))
    assert without.y.tolist() == without.x.tolist() == [[1, 3, 4], [5, 7, 8], [9, 11, 12]]
    pictures = np.arange(24.0).reshape(2, 3, 2, 2)
    np.savez(tmp_path / "p.npz", x=pictures)
    found = load(kind="npz", path=str(tmp_path / "p.npz"), targets="inputs")
    assert found.y.tolist() == pictures.reshape(2, 12).tolist()


@pytest.mark.parametrize(("n", "d", "outputs"), [(50, 6, 4), (7, 7, 3), (20, 3, 5)])
def test_the_teacher_has_its_singular_values_and_whitened_inputs(n, d, outputs):
    values = (4.0, 2.0, 0.5)
    data = load(kind="linear-teacher", n=n, d=d, outputs=outputs, singular_values=values, seed=3)
    assert (data.x.shape, data.y.shape) == ((n, d), (n, outputs))
    assert data.x.T @ data.x / n == pytest.approx(np.eye(d), abs=1e-13)
    teacher = np.linalg.lstsq(data.x, data.y, rcond=None)[0].T
    found = np.linalg.svd(teacher, compute_uv=False)
    assert found[:3] == pytest.approx(values, rel=1e-12)
    assert found[3:] == pytest.approx(0.0, abs=1e-12)
    for rank in range(4):
        u, s, v = np.linalg.svd(teacher, full_matrices=False)
        best = u[:, :rank] * s[:rank] @ v[:rank]
        risk = np.mean(
            [0.5 * np.sum((y - best @ x) ** 2) for x, y in zip(data.x, data.y, strict=True)]
        )
        assert risk == pytest.approx(0.5 * sum(s * s for s in values[rank:]), abs=1e-12)
    again = load(kind="linear-teacher", n=n, d=d, outputs=outputs, singular_values=values, seed=3)
    other = load(kind="linear-teacher", n=n, d=d, outputs=outputs, singular_values=values, seed=4)
    assert np.array_equal(again.y, data.y)
    assert not np.array_equal(other.y, data.y)


def test_one_output_of_a_teacher_is_a_label():
    found = load(kind="linear-teacher", outputs=1, singular_values=[2.0])
    assert found.y.shape == (100,)
    assert np.mean(found.y**2) == pytest.approx(4.0)


BASE = {"model": {"kind": "deep-linear", "widths": [3]}, "loss": {"kind": "square"}}
CSV = {"kind": "csv", "path": "t.csv"}
TEACHER = {"kind": "linear-teacher"}


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"kind": "digits", "targets": ["a"]}, "data.targets names columns, which data.kind 'csv'"),
        ({"kind": "digits", "targets": "input"}, "allowed are 'inputs' and, of kind 'csv', a list"),
        ({**CSV, "targets": []}, "has to name one column or more"),
        ({**CSV, "targets": ["a", "a"]}, "has to name one column or more, each once"),
        ({**CSV, "targets": ["a"], "label": "b"}, "data.label and data.targets both name"),
        ({**CSV, "targets": ["a"], "binary": True}, "data.binary maps labels to −1 and 1, and"),
        ({**TEACHER, "n": 5, "d": 6}, "d = 6 inputs cannot be whitened with n = 5 samples"),
        ({**TEACHER, "singular_values": []}, "singular_values holds 0 numbers"),
        ({**TEACHER, "outputs": 2}, "a matrix of 2 × 6 has 1 to 2 of them"),
        ({**TEACHER, "singular_values": [1.0, 0.0]}, "data.singular_values[1] = 0.0"),
        ({"kind": "inline", "x": [[1.0]], "y": [[1.0, "a"]]}, "data.y[0]"),
        (
            {"kind": "digits", "targets": "inputs", "test": {"kind": "digits", "n": 5}},
            "of the training samples or of those held out only",
        ),
    ],
)
def test_tables_that_do_not_fit_are_refused(table, said):
    with pytest.raises(BadInput) as refusal:
        parse_config({"data": table, **BASE}, "it")
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_files_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(
        BadInput, match=r"unknown target column 'r'.*t\.csv.*Did you mean|target column"
    ):
        load(**csv(tmp_path, targets=["p", "r"]))
    with pytest.raises(BadInput, match="every column is a target; one input at least"):
        load(**csv(tmp_path, targets=["a", "b", "p", "q"]))
    with pytest.raises(BadInput, match=r"y\[1, 0\] is inf"):
        load(kind="inline", x=[[1.0], [2.0]], y=[[1.0, 2.0], [float("inf"), 2.0]])
    with pytest.raises(BadInput, match=r"data\.y: rows have \[1, 2\] numbers"):
        load(kind="inline", x=[[1.0], [2.0]], y=[[1.0, 2.0], [1.0]])
    np.savez(tmp_path / "b.npz", x=np.ones((4, 2)), y=np.ones((4, 2)), z=np.ones((4, 2, 2)))
    path = str(tmp_path / "b.npz")
    with pytest.raises(BadInput, match=r"data\.binary needs one label a sample, and y holds 2"):
        load(kind="npz", path=path, binary=True)
    with pytest.raises(
        BadInput, match=r"y \(4, 2, 2\); needed are x \(n, d\) and y \(n\), or \(n, k\)"
    ):
        load(kind="npz", path=path, y="z")
    np.savez(tmp_path / "one.npz", x=np.ones((3, 2)), y=np.ones(3))
    with pytest.raises(
        BadInput, match=r"data\.test: y holds 1 numbers a sample, and that of the training"
    ):
        load(kind="npz", path=path, test={"kind": "npz", "path": str(tmp_path / "one.npz")})


@pytest.mark.parametrize("name", ["logistic", "cross-entropy"])
def test_losses_of_margins_refuse_several_targets(name):
    data = load(kind="linear-teacher")
    with pytest.raises(
        BadInput, match=f"loss.kind '{name}' needs one label a sample, and y holds 4"
    ):
        require_labels(data, loss_of(name))
    require_labels(data, loss_of("square"))


def test_networks_of_one_output_refuse_several_targets():
    config = small("data.kind=linear-teacher", "loss.kind=square")
    with pytest.raises(
        BadInput, match=r"has 4 targets a sample, and model\.kind 'two-layer-relu' has one"
    ):
        experiment_of(config)
