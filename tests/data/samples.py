"""Small valid files of every kind that the loaders read: what damage is done to."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np

RNG = np.random.default_rng(8)
X, Y = RNG.standard_normal((12, 3)), np.sign(RNG.standard_normal(12))


def idx(array: np.ndarray) -> bytes:
    """An array of unsigned bytes as an IDX file."""
    head = struct.pack(f">I{array.ndim}I", 0x0800 + array.ndim, *array.shape)
    return head + array.astype(np.uint8).tobytes()


def _csv() -> bytes:
    rows = [",".join(f"{v:.6g}" for v in (*x, y)) for x, y in zip(X, Y, strict=True)]
    return ("a,b,c,label\n" + "\n".join(rows) + "\n").encode()


def _npz(*, compressed: bool, **arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(file, **arrays)
    return file.getvalue()


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _hdf5(*, chunked: bool) -> bytes:
    file = io.BytesIO()
    more = {"chunks": (4, 3), "compression": "gzip", "shuffle": True} if chunked else {}
    with h5py.File(file, "w") as store:
        store.create_dataset("x", data=X, **more)
        store.create_dataset("group/y" if chunked else "y", data=Y)
        if chunked:
            store["y"] = store["group/y"]
    return file.getvalue()


def _batch(protocol: int) -> bytes:
    table = {
        b"batch_label": b"training batch 1 of 5",
        b"labels": [k % 10 for k in range(6)],
        b"data": RNG.integers(0, 256, (6, 3072)).astype(np.uint8),
        b"filenames": [b"leptodactylus_%d.png" % k for k in range(6)],
    }
    return pickle.dumps(table, protocol=protocol)


IMAGES, LABELS = idx(RNG.integers(0, 256, (12, 5, 5))), idx(np.arange(12) % 10)

FILES: Mapping[str, tuple[str, Mapping[str, bytes], Mapping[str, object]]] = {
    "csv": ("a.csv", {"a.csv": _csv()}, {"kind": "csv"}),
    "npz": ("a.npz", {"a.npz": _npz(compressed=False, x=X, y=Y)}, {"kind": "npz"}),
    "npz-deflated": ("a.npz", {"a.npz": _npz(compressed=True, x=X, y=Y)}, {"kind": "npz"}),
    "npz-members": (
        "a.npz",
        {"x.npy": _npy(X), "y.npy": _npy(Y)},
        {"kind": "npz"},
    ),
    "hdf5": ("a.h5", {"a.h5": _hdf5(chunked=False)}, {"kind": "hdf5"}),
    "hdf5-chunked": ("a.h5", {"a.h5": _hdf5(chunked=True)}, {"kind": "hdf5"}),
    "mnist": (
        "",
        {"t10k-images-idx3-ubyte": IMAGES, "t10k-labels-idx1-ubyte": LABELS},
        {"kind": "mnist", "split": "test", "classes": [0, 1, 2, 3]},
    ),
    "mnist-gz": (
        "",
        {
            "t10k-images-idx3-ubyte.gz": gzip.compress(IMAGES, mtime=0),
            "t10k-labels-idx1-ubyte.gz": gzip.compress(LABELS, mtime=0),
        },
        {"kind": "mnist", "split": "test", "classes": [0, 1, 2, 3]},
    ),
    "cifar10-2": (
        "",
        {"test_batch": _batch(2)},
        {"kind": "cifar10", "split": "test", "classes": [0, 1, 2, 3]},
    ),
    "cifar10-4": (
        "",
        {"test_batch": _batch(4)},
        {"kind": "cifar10", "split": "test", "classes": [0, 1, 2, 3]},
    ),
}
"""By kind: what data.path names in the folder, the files there, and the rest of the [data] table."""


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    """The files, in the folder; members of an archive inside one, so that their damage has a checksum."""
    members = {name: data for name, data in files.items() if name.endswith(".npy")}
    if members:
        with zipfile.ZipFile(folder / "a.npz", "w") as archive:
            for name, data in members.items():
                archive.writestr(name, data)
        return
    for name, data in files.items():
        (folder / name).write_bytes(data)
