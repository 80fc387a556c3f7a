"""MNIST and CIFAR-10 files: small ones of the true formats, damaged ones, and pickles that would run code."""

from __future__ import annotations

import gzip
import os
import pickle
import struct
import time

import numpy as np
import pytest
from pydantic import TypeAdapter

from workbench.config.data import DataConfig
from workbench.config.toml import read_toml
from workbench.data.load import load_dataset
from workbench.data.plain_pickle import NotPlain, read_plain
from workbench.errors import BadInput

ADAPTER = TypeAdapter(DataConfig)
RNG = np.random.default_rng(8)


def load(**table):
    return load_dataset(ADAPTER.validate_python(table))


def idx(array: np.ndarray, magic: int | None = None) -> bytes:
    head = 0x0800 + array.ndim if magic is None else magic
    return struct.pack(f">I{array.ndim}I", head, *array.shape) + array.astype(np.uint8).tobytes()


PICTURES = RNG.integers(0, 256, (40, 28, 28))
LABELS = np.arange(40) % 10


def write_mnist(folder, *, ending="", dot="-", prefix="train", pictures=PICTURES, labels=LABELS):
    write = gzip.compress if ending else bytes
    (folder / f"{prefix}-images{dot}idx3-ubyte{ending}").write_bytes(write(idx(pictures)))
    (folder / f"{prefix}-labels{dot}idx1-ubyte{ending}").write_bytes(write(idx(labels)))


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("dot", ["-", "."])
def test_mnist_files_under_their_usual_names(tmp_path, ending, dot):
    write_mnist(tmp_path, ending=ending, dot=dot)
    data = load(kind="mnist", path=str(tmp_path))
    assert data.x.shape == (40, 784)
    assert np.array_equal(data.x, PICTURES.reshape(40, 784) / 255.0)
    assert np.array_equal(data.y, LABELS)
    assert data.n_classes == 10


def test_mnist_by_class_split_and_size(tmp_path):
    write_mnist(tmp_path, prefix="t10k")
    two = load(kind="mnist", path=str(tmp_path), split="test", classes=[7, 1], n=6, seed=2)
    assert two.n == 6
    assert set(two.y) == {-1.0, 1.0}
    first = PICTURES.reshape(40, 784)[LABELS == 7] / 255.0
    assert all((row == first).all(axis=1).any() for row in two.x[two.y < 0])
    with pytest.raises(BadInput, match="train-images-idx3-ubyte"):
        load(kind="mnist", path=str(tmp_path))


def break_mnist(folder, how):
    pictures, labels = folder / "train-images-idx3-ubyte", folder / "train-labels-idx1-ubyte"
    if how == "no labels":
        labels.unlink()
    elif how == "swapped":
        pictures.write_bytes(idx(LABELS))
    elif how == "short":
        pictures.write_bytes(idx(PICTURES)[:-1])
    elif how == "long":
        pictures.write_bytes(idx(PICTURES) + b"x")
    elif how == "header":
        pictures.write_bytes(idx(PICTURES)[:9])
    elif how == "empty":
        pictures.write_bytes(b"")
    elif how == "huge":
        pictures.write_bytes(struct.pack(">4I", 0x0803, 2**31, 2**31, 2**31))
    elif how == "counts":
        labels.write_bytes(idx(LABELS[:-1]))
    elif how == "no gzip":
        pictures.rename(folder / "train-images-idx3-ubyte.gz")
    elif how == "class":
        labels.write_bytes(idx(np.zeros(40)))


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("no labels", "holds no train-labels-idx1-ubyte"),
        ("swapped", "magic number 0x00000801; needed is 0x00000803"),
        ("short", r"declares 31,360 bytes of the shape \(40, 28, 28\) and holds only 31,359"),
        ("long", "holds more"),
        ("header", r"declares the shape \(40,\)"),
        ("empty", "magic number 0x00000000"),
        ("huge", "1,073,741,824 bytes are allowed"),
        ("counts", "40 pictures and train-labels-idx1-ubyte 39 labels"),
        ("no gzip", "cannot be read"),
        ("class", "none of class 1, 2, 3, 4, 5, 6, 7, 8, 9"),
    ],
)
def test_mnist_files_that_are_wrong_are_named(tmp_path, how, said):
    write_mnist(tmp_path)
    break_mnist(tmp_path, how)
    with pytest.raises(BadInput, match=said):
        load(kind="mnist", path=str(tmp_path))


def test_a_gzip_bomb_is_not_unfolded(tmp_path):
    write_mnist(tmp_path, ending=".gz")
    whole = gzip.compress(idx(PICTURES) + bytes(200_000_000), compresslevel=1)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(whole)
    began = time.monotonic()
    with pytest.raises(BadInput, match="holds more"):
        load(kind="mnist", path=str(tmp_path))
    assert time.monotonic() - began < 1.0


@pytest.mark.parametrize("kind", ["mnist", "cifar10"])
def test_folders_that_are_none(tmp_path, kind):
    (tmp_path / "file").write_text("x")
    said = {
        "": "empty",
        str(tmp_path / "none"): "does not exist",
        str(tmp_path / "file"): "is a file",
    }
    for path, words in said.items():
        with pytest.raises(BadInput, match=words):
            load(kind=kind, path=path)


def test_the_folder_is_relative_to_the_file_that_names_it(tmp_path):
    (tmp_path / "run.toml").write_text(
        '[data]\nkind = "mnist"\npath = "mnist"\n[model]\nkind = "ntk"\n'
        '[model.start]\nkind = "file"\npath = "start.npz"\n'
    )
    values = read_toml(tmp_path / "run.toml")
    assert values["data"]["path"] == str(tmp_path / "mnist")
    assert values["model"]["start"]["path"] == str(tmp_path / "start.npz")


# --- CIFAR-10 ---

COLOURS = RNG.integers(0, 256, (20, 3072)).astype(np.uint8)
TEN = [int(k) for k in np.arange(20) % 10]


def batch(**more):
    return {
        b"batch_label": b"training batch 1 of 5",
        b"labels": TEN,
        b"data": COLOURS,
        b"filenames": [b"leptodactylus_pentadactylus_s_000004.png"] * 20,
    } | more


def python2(table) -> bytes:
    """A batch as Python 2 wrote it: strings by BINSTRING, the array by numpy.core.multiarray."""

    def text(s: bytes) -> bytes:
        return b"T" + struct.pack("<I", len(s)) + s

    def number(k: int) -> bytes:
        return b"K" + bytes([k])

    raw = COLOURS.tobytes()
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n"
        + b"cnumpy\nndarray\n" + number(0) + b"\x85" + text(b"b") + b"\x87R"
        + b"(" + number(1) + b"K\x14M\x00\x0c\x86"
        + b"cnumpy\ndtype\n" + text(b"u1") + number(0) + number(1) + b"\x87R"
        + b"(" + number(3) + text(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff" + number(0) + b"tb"
        + b"\x89" + text(raw) + b"tb"
    )  # fmt: skip
    labels = b"](" + b"".join(number(k) for k in TEN) + b"e"
    return b"\x80\x02}(" + text(b"data") + array + text(b"labels") + labels + b"u."


def write_cifar(folder, data=None, names=None):
    folder.mkdir(exist_ok=True)
    for name in names or [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]:
        (folder / name).write_bytes(pickle.dumps(batch(), protocol=2) if data is None else data)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5, "python 2"])
def test_batches_of_every_age(tmp_path, protocol):
    raw = python2(batch()) if protocol == "python 2" else pickle.dumps(batch(), protocol=protocol)
    write_cifar(tmp_path / "cifar-10-batches-py", raw)
    data = load(kind="cifar10", path=str(tmp_path))
    assert data.x.shape == (100, 3072)
    assert np.array_equal(data.x[:20], COLOURS / 255.0)
    assert np.array_equal(data.y, TEN * 5)
    inside = load(kind="cifar10", path=str(tmp_path / "cifar-10-batches-py"), split="test", n=5)
    assert inside.n == 5


def test_plain_data_comes_back_as_it_was():
    values = {
        "a": np.arange(6, dtype=">i4").reshape(2, 3),
        "b": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "c": [1, -2.5, "text", b"bytes", None, True, 2**70, {"k": [1, 2]}],
        "d": np.array([True, False]),
    }
    for protocol in range(2, 6):
        found = read_plain(pickle.dumps(values, protocol=protocol))
        for name in "abd":
            assert np.array_equal(found[name], values[name])
            assert found[name].dtype == values[name].dtype
        assert found["c"] == values["c"]


class Runs:
    """Would make a file when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def evil(path) -> dict[str, tuple[bytes, str]]:
    """Pickles that run, import, build or swallow something, and what is said of each."""
    made = str(path).encode()
    objects = np.empty(1, dtype=object)
    objects[0] = "x"
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
    return {
        "reduce": (pickle.dumps(batch(more=Runs(path)), protocol=4), "calls posix.mkdir"),
        "reduce in protocol 2": (pickle.dumps(Runs(path), protocol=2), "calls posix.mkdir"),
        "protocol 0": (b"cos\nmkdir\n(V" + made + b"\ntR.", "calls os.mkdir"),
        "inst": (b"(V" + made + b"\nios\nmkdir\n.", "operation INST"),
        "obj": (b"(cos\nmkdir\nV" + made + b"\no.", "calls os.mkdir"),
        "builtins": (b"cbuiltins\neval\n(V1\ntR.", "calls builtins.eval"),
        "numpy's own": (b"cnumpy\nload\n(V" + made + b"\ntR.", "calls numpy.load"),
        "dotted": (
            b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93.",
            "calls numpy.ndarray.tofile",
        ),
        "class of its own": (pickle.dumps(Runs, protocol=2), "calls"),
        "objects in an array": (pickle.dumps({"data": objects}), "array"),
        "records in an array": (
            pickle.dumps({"data": np.zeros(2, dtype="i4,f8")}),
            "array of type",
        ),
        "dates": (pickle.dumps({"data": np.array(["2020-01-01"], dtype="M8[D]")}), "array of type"),
        "numpy scalar": (pickle.dumps({"labels": [np.float64(1.0)]}), "calls"),
        "set": (pickle.dumps({1, 2}, protocol=4), "operation EMPTY_SET"),
        "extension": (b"\x80\x02\x82\x01.", "operation EXT1"),
        "persistent": (b"Pid\n.", "operation PERSID"),
        "buffers": (b"\x80\x05\x97.", "operation NEXT_BUFFER"),
        "changing a stand-in": (b"cnumpy\nndarray\n}V__class__\nK\x01sb.", "changes ndarray"),
        "ndarray called": (b"cnumpy\nndarray\n(K\x01tR.", "calls ndarray"),
        "a list of stand-ins": (b"](cnumpy\nndarray\ne.", "holds a function"),
        "array without numbers": (array + b".", "without numbers"),
        "array of a wrong size": (
            array + b"(K\x01K\x63\x85cnumpy\ndtype\nC\x02u1\x85R\x89C\x02xxtb.",
            "damaged",
        ),
        "encoding": (b"c_codecs\nencode\n(Vabc\nVrot13\ntR.", "_codecs.encode"),
        "tuples in tuples as a key": (b"}N" + b"\x85" * 50_000 + b"K\x01s.", "no short strings"),
        "tuples that double": (b"}N" + b"2\x86" * 60 + b"K\x01s.", "no short strings"),
        "a key of a million digits": (
            b"}\x8b" + struct.pack("<i", 500_000) + b"\x01" * 500_000 + b"K\x01s.",
            "no short strings",
        ),
        "a key without a value": (b"}(K\x01K\x02K\x03u.", "damaged"),
        "many operations": (b"]" + b"N0" * 160_000 + b".", "300,000 operations"),
        "calling a number": (b"K\x01)R.", "damaged"),
        "nothing on the stack": (b"R.", "damaged"),
        "no end": (pickle.dumps(batch())[:-1], "damaged"),
        "half": (pickle.dumps(batch())[:3000], "damaged"),
        "empty": (b"", "damaged"),
        "text": (b"\x01\x02 no pickle", "damaged"),
        "a string of 16 EiB": (b"\x80\x04\x8e" + b"\xff" * 8 + b"x.", "damaged"),
    }


@pytest.mark.parametrize("case", sorted(evil("made")))
def test_pickles_of_more_than_plain_data_run_nothing(tmp_path, case):
    made = tmp_path / "made"
    raw, said = evil(made)[case]
    with pytest.raises(NotPlain, match=said):
        read_plain(raw)
    folder = tmp_path / "cifar"
    write_cifar(folder)
    (folder / "data_batch_3").write_bytes(raw)
    with pytest.raises(BadInput, match=r"data_batch_3 .*only pickles of arrays") as caught:
        load(kind="cifar10", path=str(folder))
    assert "\n" not in str(caught.value)
    assert not made.exists()


@pytest.mark.parametrize(
    "raw",
    [
        b"]r\xff\xff\xff\x7f.",
        b"](" + b"N" * 1_000 + b"eq\x00" + b"](" + b"h\x00" * 100_000 + b"e\x86.",
        b"N" + b"\x85" * 50_000 + b".",
        b"]q\x00h\x00a.",
    ],
    ids=["a place far away", "a list of long lists", "tuples in tuples", "a list in itself"],
)
def test_harmless_pickles_that_look_large_take_no_time(raw):
    began = time.monotonic()
    assert isinstance(read_plain(raw), list)
    assert time.monotonic() - began < 5.0


def test_bytes_written_for_python_2_do_not_multiply():
    text = "é" * 1_000_000
    once = b"c_codecs\nencode\nq\x00X" + struct.pack("<I", 2_000_000) + text.encode() + b"q\x01"
    raw = b"\x80\x02" + once + b"X\x06\x00\x00\x00latin1\x86q\x03" + b"00](" + (
        b"h\x00h\x01X\x06\x00\x00\x00latin1\x86R" * 400
    ) + b"e."  # fmt: skip
    with pytest.raises(NotPlain, match="256 MiB"):
        read_plain(raw)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ([1, 2], "no batch of CIFAR-10"),
        (batch(**{}) | {b"labels": TEN[:-1]}, "no batch of CIFAR-10"),
        (batch() | {b"data": COLOURS[:, :100].copy()}, "no batch of CIFAR-10"),
        (batch() | {b"data": COLOURS.astype(float)}, "no batch of CIFAR-10"),
        (batch() | {b"data": COLOURS.tobytes()}, "no batch of CIFAR-10"),
        (batch() | {b"labels": [*TEN[:-1], 10]}, "0 to 9"),
        (batch() | {b"labels": [*TEN[:-1], "a"]}, "0 to 9"),
    ],
    ids=["list", "labels", "width", "floats", "bytes", "eleventh", "text"],
)
def test_plain_data_that_is_no_batch(tmp_path, table, said):
    write_cifar(tmp_path / "c", pickle.dumps(table, protocol=2))
    with pytest.raises(BadInput, match=said) as caught:
        load(kind="cifar10", path=str(tmp_path / "c"))
    assert "data_batch_1" in str(caught.value)


def test_batches_that_are_missing_are_named(tmp_path):
    write_cifar(tmp_path / "c", names=["data_batch_1", "data_batch_4", "test_batch"])
    with pytest.raises(BadInput, match="lacks data_batch_2, data_batch_3, data_batch_5"):
        load(kind="cifar10", path=str(tmp_path / "c"))
    assert load(kind="cifar10", path=str(tmp_path / "c"), split="test").n == 20
