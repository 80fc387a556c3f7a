"""Which HDF5 library reads and writes the runs."""

from __future__ import annotations

import h5py


def hdf5_version() -> str:
    """Version of the HDF5 C library, and of h5py over it."""
    return f"{h5py.version.hdf5_version} (h5py {h5py.version.version})"
