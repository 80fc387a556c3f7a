"""Synthetic pictures in MNIST's and CIFAR-10's own files, of any number."""

from __future__ import annotations

import pickle
import struct

import numpy as np


def write_mnist(folder, n, seed=0):
    """IDX files of n 28×28 pictures of ten classes: a coarse pattern a class, and noise."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    labels = _labels(rng, n)
    pictures = _pictures(rng, labels, (28, 28))
    for name, magic, array in (
        ("train-images-idx3-ubyte", 0x0803, pictures),
        ("train-labels-idx1-ubyte", 0x0801, labels.astype(np.uint8)),
    ):
        head = struct.pack(f">{1 + array.ndim}I", magic, *array.shape)
        (folder / name).write_bytes(head + array.tobytes())


def write_cifar(folder, n, seed=0):
    """Five python batches of together n 3×32×32 pictures, alike."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for k in range(1, 6):
        labels = _labels(rng, n // 5)
        pixels = _pictures(rng, labels, (3, 32, 32)).reshape(len(labels), -1)
        table = {b"data": pixels, b"labels": labels.tolist()}
        (folder / f"data_batch_{k}").write_bytes(pickle.dumps(table, protocol=2))


def _labels(rng, n):
    return np.concatenate([np.arange(10), rng.integers(0, 10, n - 10)])


def _pictures(rng, labels, shape):
    coarse = np.random.default_rng(1).random((10, *shape[:-2], shape[-2] // 4, shape[-1] // 4))
    patterns = np.kron(coarse, np.ones((1,) * (len(shape) - 1) + (4, 4)))
    noise = rng.integers(0, 128, (len(labels), *shape), dtype=np.uint8)
    return (127 * patterns[labels]).astype(np.uint8) + noise
