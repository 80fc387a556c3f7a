"""Datasets: the papers' numbers, files of the user's, and what is refused."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from pydantic import TypeAdapter

from workbench.config.data import DataConfig
from workbench.data.dataset import require_labels
from workbench.data.load import load_dataset
from workbench.errors import BadInput
from workbench.losses.registry import loss_of

ADAPTER = TypeAdapter(DataConfig)


def load(**table):
    return load_dataset(ADAPTER.validate_python(table))


def test_the_circle_is_the_papers():
    data = load(kind="kh24-circle")
    assert data.x.shape == (50, 2)
    assert np.allclose(np.linalg.norm(data.x, axis=1), 1.0)
    assert data.y[0] == 5.0
    assert data.y[25] == pytest.approx(4.0)
    assert data.x[25, 1] == 0.0
    half = load(kind="kh24-circle", offset=0.5)
    assert np.arctan2(half.x[0, 1], half.x[0, 0]) == pytest.approx(np.pi / 50)


def test_gaussian_points_keep_their_margin_and_seed():
    data = load(kind="gaussian-separable", n=50, d=3, margin=0.4, seed=7)
    again = load(kind="gaussian-separable", n=50, d=3, margin=0.4, seed=7)
    assert np.array_equal(data.x, again.x)
    assert data.labels == "binary"
    rng = np.random.default_rng(7)
    teacher = rng.standard_normal(3)
    teacher /= np.linalg.norm(teacher)
    assert (data.y * (data.x @ teacher)).min() >= 0.4
    with pytest.raises(BadInput, match=r"data\.margin"):
        load(kind="gaussian-separable", n=50, margin=9.0)


def test_digits_by_class():
    data = load(kind="digits")
    assert data.x.shape == (1797, 64)
    assert data.n_classes == 10
    assert 0.0 <= data.x.min() < data.x.max() == 1.0
    two = load(kind="digits", classes=[3, 8], n=40)
    assert two.n == 40
    assert set(two.y) == {-1.0, 1.0}


def write_csv(path, text):
    path.write_text(text)
    return str(path)


def test_csv_with_and_without_names(tmp_path):
    plain = load(kind="csv", path=write_csv(tmp_path / "a.csv", "1,2,-1\n3,4,1\n"))
    assert plain.x.tolist() == [[1, 2], [3, 4]]
    named = load(
        kind="csv", label="t", path=write_csv(tmp_path / "b.csv", "t,a,b\n-1,1,2\n1,3,4\n")
    )
    assert named.x.tolist() == plain.x.tolist()
    assert named.y.tolist() == plain.y.tolist()


def test_npz_and_hdf5(tmp_path):
    x, y = np.arange(6.0).reshape(3, 2), np.array([0, 1, 1])
    np.savez(tmp_path / "a.npz", x=x, t=y)
    assert load(kind="npz", path=str(tmp_path / "a.npz"), y="t", binary=True).y.tolist() == [
        -1,
        1,
        1,
    ]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["g/x"], file["y"] = x, y
    assert np.array_equal(load(kind="hdf5", path=str(tmp_path / "a.h5"), x="g/x").x, x)


BAD_CSV = {
    "not a number": ("1,2,-1\n3,hello,1\n", "line 2 holds 'hello'"),
    "ragged": ("1,2,3\n4,5\n", "line 2 holds 2 columns"),
    "nan": ("1,2,3\n4,nan,5\n", "not finite"),
    "infinite": ("1,2,inf\n4,2,5\n", "not finite"),
    "header only": ("a,b,c\n", "no samples"),
    "one column": ("1\n2\n", "one column"),
    "empty": ("", "is empty"),
}


@pytest.mark.parametrize("case", sorted(BAD_CSV))
def test_bad_tables_are_named(tmp_path, case):
    text, said = BAD_CSV[case]
    with pytest.raises(BadInput, match=said) as caught:
        load(kind="csv", path=write_csv(tmp_path / "t.csv", text))
    assert "t.csv" in str(caught.value)


def test_binary_files_that_are_none_of_it(tmp_path):
    junk = tmp_path / "junk"
    junk.write_bytes(bytes(range(256)))
    for kind in ("csv", "npz", "hdf5"):
        with pytest.raises(BadInput, match="junk"):
            load(kind=kind, path=str(junk))
    np.savez(tmp_path / "objects.npz", x=np.array([{}], dtype=object), y=np.ones(1))
    with pytest.raises(BadInput, match=r"objects\.npz"):
        load(kind="npz", path=str(tmp_path / "objects.npz"))
    for path in (tmp_path, tmp_path / "none.csv"):
        with pytest.raises(BadInput, match=r"data\.path"):
            load(kind="csv", path=str(path))


def test_shapes_that_do_not_fit(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.ones((3, 2)), y=np.ones(4))
    with pytest.raises(BadInput, match="shape"):
        load(kind="npz", path=str(tmp_path / "a.npz"))
    np.savez(tmp_path / "c.npz", x=np.ones((3, 2)) * 1j, y=np.ones(3))
    with pytest.raises(BadInput, match="real numbers"):
        load(kind="npz", path=str(tmp_path / "c.npz"))
    with pytest.raises(BadInput, match="same count"):
        load(kind="inline", x=[[1.0], [1.0, 2.0]], y=[1, 1])


def test_labels_must_fit_the_loss():
    zero_one = load(kind="inline", x=[[1.0], [2.0]], y=[0, 1])
    with pytest.raises(BadInput, match=r"data\.binary=true"):
        require_labels(zero_one, loss_of("logistic"))
    require_labels(zero_one, loss_of("cross-entropy"))
    real = load(kind="inline", x=[[1.0], [2.0]], y=[0.5, 1])
    for loss in ("exponential", "cross-entropy"):
        with pytest.raises(BadInput, match=loss):
            require_labels(real, loss_of(loss))
    require_labels(real, loss_of("square"))
