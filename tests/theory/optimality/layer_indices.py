"""Indices of the layers of VSS22's networks, for weights that lie in θ in the order of the layers."""

from __future__ import annotations

from itertools import pairwise

import numpy as np


def masked_layers(masks):
    """Indices of layers whose free weights lie in θ one after the other, row by row, none shared."""
    start, found = 0, []
    for mask in masks:
        index = np.full(mask.shape, -1, dtype=np.int64)
        count = int(mask.sum())
        index[mask] = np.arange(start, start + count)
        found.append(index)
        start += count
    return tuple(found)


def full_layers(sizes):
    """Fully connected layers; `sizes` are d, the hidden widths, 1."""
    return masked_layers([np.ones((b, a), dtype=bool) for a, b in pairwise(sizes)])


def diagonal_layers(d, depth):
    """w_1 … w_m of d numbers each: diagonal layers, then a row (VSS22 §2)."""
    hidden = [np.eye(d, dtype=bool)] * (depth - 1)
    return masked_layers([*hidden, np.ones((1, d), dtype=bool)])


def patch_layers(d, patches):
    """One filter w (d/patches) on disjoint patches, then v (patches): VSS22 Theorem 4.4."""
    width = d // patches
    filters = np.full((patches, d), -1, dtype=np.int64)
    for j in range(patches):
        filters[j, j * width : (j + 1) * width] = np.arange(width)
    return filters, width + np.arange(patches, dtype=np.int64)[None, :]
