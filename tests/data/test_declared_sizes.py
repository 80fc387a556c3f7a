"""What a file declares or points to is looked at before anything gets its room, or is read elsewhere."""

from __future__ import annotations

import io
import os
import struct
import time
import tracemalloc
import zipfile
import zlib

import h5py
import numpy as np
import pytest
from pydantic import TypeAdapter

from workbench.config.data import DataConfig
from workbench.config.init import FileInit
from workbench.config.models import SquaredReluModel
from workbench.data.load import load_dataset
from workbench.errors import BadInput
from workbench.models.build import build_model
from workbench.models.network import structure_of
from workbench.models.start import first_theta

ADAPTER = TypeAdapter(DataConfig)
X, Y = np.arange(12.0).reshape(6, 2), np.tile([-1.0, 1.0], 3)


def load(**table):
    return load_dataset(ADAPTER.validate_python(table))


def refused(said, **table):
    """The sentence, said before a hundred megabytes or two seconds are taken."""
    began = time.monotonic()
    tracemalloc.start()
    with pytest.raises(BadInput, match=said) as caught:
        load(**table)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 100 << 20
    assert time.monotonic() - began < 2.0
    assert str(caught.value).isprintable()


# --- HDF5 ---


def elsewhere(file, folder):
    """Everything by which a dataset lies in another file, or nowhere, or holds other than numbers."""
    with h5py.File(folder / "secret.h5", "w") as other:
        other["x"] = X
    file["external link"] = h5py.ExternalLink(str(folder / "secret.h5"), "/x")
    file["plain"] = X
    file["soft"] = h5py.SoftLink("/plain")
    file["soft to itself"] = h5py.SoftLink("/soft to itself")
    file["soft to external"] = h5py.SoftLink("/external link")
    (folder / "raw").write_bytes(X.tobytes())
    file.create_dataset("external", X.shape, "f8", external=[(str(folder / "raw"), 0, X.nbytes)])
    layout = h5py.VirtualLayout(X.shape, "f8")
    layout[:] = h5py.VirtualSource(str(folder / "secret.h5"), "x", X.shape)
    file.create_virtual_dataset("virtual", layout)
    file.create_dataset("objects", data=["a", "b"], dtype=h5py.string_dtype())
    file.create_dataset("records", data=np.zeros(3, "i4,f8"))
    file.create_dataset("lists", (3,), dtype=h5py.vlen_dtype("f8"))
    file.create_dataset("pointers", (3,), dtype=h5py.ref_dtype)
    file.create_dataset("nothing", data=h5py.Empty("f8"))
    file.create_dataset("giant", (1 << 40, 7), "f8", chunks=(1, 7))
    file.create_dataset("never written", (1 << 26,), "f8", chunks=(1 << 20,))
    file.create_dataset("contiguous", (1 << 26,), "f8")
    file.create_dataset("crumbs", (20, 100_000), "i1", chunks=(1, 1))
    file.create_dataset("one chunk", (1 << 20,), "f8", chunks=(1 << 28,), maxshape=(None,))
    file.create_group("group")["inner"] = X
    file["group/itself"] = file["group"]
    file["y"] = Y


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("external link", "link to elsewhere"),
        ("soft", "link to elsewhere"),
        ("soft to itself", "link to elsewhere"),
        ("soft to external", "link to elsewhere"),
        ("external", "lies in other files"),
        ("virtual", "lies in other files"),
        ("objects", "holds object, and real numbers"),
        ("records", "real numbers are needed"),
        ("lists", "holds object, and real numbers"),
        ("pointers", "holds object, and real numbers"),
        ("nothing", "real numbers are needed"),
        ("giant", "declares 7,696,581,394,432 numbers; at most 536,870,912"),
        ("never written", "declares 536,870,912 bytes, and the file has"),
        ("contiguous", "declares 536,870,912 bytes, and the file has"),
        ("crumbs", "cut into 2,000,000 chunks"),
        ("one chunk", "chunks of more than 256 MiB"),
        ("group", "unknown array 'group'"),
        ("group/none", r"unknown array 'group/none'.*group/inner"),
        ("plain/x", "unknown array 'plain/x'"),
        ("", "unknown array ''"),
        ("../plain", "unknown array"),
    ],
)
def test_hdf5_that_points_elsewhere_or_declares_too_much(tmp_path, name, said):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        elsewhere(file, tmp_path)
    refused(said, kind="hdf5", path=str(path), x=name)


def test_hdf5_groups_that_hold_each_other_end(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        elsewhere(file, tmp_path)
    found = load(kind="hdf5", path=str(path), x="group/itself/itself/itself/inner")
    assert np.array_equal(found.x, X)


def test_names_in_hdf5_cannot_write_on_the_terminal(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["\x1b[31mred\x07"] = X
    refused(r"allowed:  \[31mred ", kind="hdf5", path=str(tmp_path / "a.h5"))


# --- NPZ ---


def npy(header, data=b"", version=1):
    width = "<H" if version == 1 else "<I"
    text = header.encode()
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack(width, len(text)) + text + data


def array(shape="(6, 2)", descr="'<f8'", fortran="False", data=None, **more):
    """A member whose header says what is given."""
    text = f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n"
    return npy(text, X.tobytes() if data is None else data, **more)


def write(folder, x, kind=zipfile.ZIP_STORED):
    """An archive of a member x, given in bytes, and labels that are in order."""
    with zipfile.ZipFile(folder / "a.npz", "w", kind) as file:
        file.writestr("x.npy", x)
        labels = io.BytesIO()
        np.save(labels, Y)
        file.writestr("y.npy", labels.getvalue())
    return str(folder / "a.npz")


@pytest.mark.parametrize(
    "member",
    [
        array(),
        array("(6L, 2L)"),
        array(fortran="True", data=np.asfortranarray(X).tobytes("F")),
        array(version=2),
        array(version=3),
        array(descr="'>f8'", data=X.astype(">f8").tobytes()),
        array(descr="'<i2'", data=X.astype("<i2").tobytes()),
        array(descr="'|u1'", data=X.astype("u1").tobytes()),
        array(descr="'<f4'", data=X.astype("<f4").tobytes()),
    ],
)
def test_arrays_of_every_hand_load(tmp_path, member):
    found = load(kind="npz", path=write(tmp_path, member, zipfile.ZIP_DEFLATED))
    assert np.array_equal(found.x, X)
    assert found.x.flags.writeable


@pytest.mark.parametrize(
    ("member", "said"),
    [
        (array("(1099511627776, 7)"), "declares 7,696,581,394,432 numbers"),
        (array("(" + "9" * 4_000 + ",)"), "more than 10²⁴ numbers"),
        (array("(50_000_000, 2)"), "declares 800,000,000 bytes, and the file has"),
        (array("(7, 2)"), r"declares the shape \(7, 2\) of float64, 112 bytes, and holds 96"),
        (array("(5, 2)"), "80 bytes, and holds 96"),
        (array("(-6, 2)"), "declares no shape"),
        (array("(True, 12)"), "declares no shape"),
        (array("12"), "declares no shape"),
        (array("(" + "1, " * 40 + ")"), "declares no shape"),
        (array(descr="'|O'"), "Python objects, text or records"),
        (array(descr="'<U3'"), "Python objects, text or records"),
        (array(descr="'<M8[s]'"), "Python objects, text or records"),
        (array(descr="[('a', '<f8')]"), "Python objects, text or records"),
        (array(descr="'<c16'", shape="(6,)"), "real numbers"),
        (array("("), "header that is no array's"),
        (array("__import__('os')"), "header that is no array's"),
        (npy("(" * 9_000), "header that is no array's"),
        (npy("{}"), "header that is no array's"),
        (npy("1"), "header that is no array's"),
        (npy(" " * 20_000), "header of 20,000 bytes"),
        (b"\x93NUMPY\x09\x00", "no array"),
        (b"", "no array"),
        (b"hello", "no array"),
    ],
)
def test_arrays_that_declare_what_they_are_not(tmp_path, member, said):
    refused(f"a.npz.*{said}", kind="npz", path=write(tmp_path, member))


def test_archives_that_unfold_without_end(tmp_path):
    size = 16_000_000
    path = write(tmp_path, array("(1_000_000, 2)", data=bytes(size)), zipfile.ZIP_DEFLATED)
    assert os.path.getsize(path) < size / 500
    raw = bytearray((tmp_path / "a.npz").read_bytes())
    with zipfile.ZipFile(path) as packed:
        entry = packed.getinfo("x.npy")
    # The size that the list at the end declares, first what fits no memory, then what fits no file.
    field = raw.rindex(struct.pack("<I", entry.file_size))
    for declared, said in (
        (0xFFFFFFF0, "declares 536,870,[0-9]+ numbers"),
        (size * 8, "declares .* bytes"),
    ):
        raw[field : field + 4] = struct.pack("<I", declared)
        (tmp_path / "b.npz").write_bytes(raw)
        refused(said, kind="npz", path=str(tmp_path / "b.npz"))


def test_archives_packed_otherwise_or_damaged_are_named(tmp_path):
    refused("packed otherwise", kind="npz", path=write(tmp_path, array(), zipfile.ZIP_LZMA))
    path = write(tmp_path, array())
    raw = bytearray((tmp_path / "a.npz").read_bytes())
    raw[raw.index(X.tobytes()) + 9] ^= 1
    (tmp_path / "a.npz").write_bytes(raw)
    refused("a.npz cannot be read: it is damaged", kind="npz", path=path)
    np.save(tmp_path / "x.npy", X)
    refused("is a single array", kind="npz", path=str(tmp_path / "x.npy"))


def test_starts_are_read_as_carefully(tmp_path):
    model = build_model(SquaredReluModel(kind="squared-relu", width=6), (2,), 1, 0)
    structure = structure_of(model, 2)
    for member, said in (
        (array("(1099511627776, 7)"), "declares 7,696,581,394,432 numbers"),
        (array(descr="'|O'"), "Python objects"),
        (b"\x93NUMPY\x09\x00", "no array"),
    ):
        path = write(tmp_path, member)
        with pytest.raises(BadInput, match=said):
            first_theta(FileInit(kind="file", path=path), structure)
    np.savez(tmp_path / "u.npz", u=X * 1j)
    with pytest.raises(BadInput, match="'u' is complex"):
        first_theta(FileInit(kind="file", path=str(tmp_path / "u.npz")), structure)
    for path, said in ((tmp_path, "is a folder"), (tmp_path / "none", "does not exist")):
        with pytest.raises(BadInput, match=rf"init\.path.*{said}"):
            first_theta(FileInit(kind="file", path=str(path)), structure)
    np.savez(tmp_path / "u.npz", u=X)
    assert np.array_equal(
        first_theta(FileInit(kind="file", path=str(tmp_path / "u.npz")), structure), X.ravel()
    )


# --- the others ---


def test_gzip_cannot_hold_what_an_idx_header_declares(tmp_path):
    head = struct.pack(">4I", 0x0803, 10_000, 200, 200)
    for name, data in (("images-idx3", head), ("labels-idx1", struct.pack(">2I", 0x0801, 10_000))):
        packer = zlib.compressobj(wbits=31)
        packed = packer.compress(data) + packer.flush()
        (tmp_path / f"train-{name}-ubyte.gz").write_bytes(packed)
    refused("declares 400,000,000 bytes, and the file has", kind="mnist", path=str(tmp_path))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1,2,3\n4,\x005,6\n", "line"),
        ("1,2\n" + "x" * 200_000 + ",2\n", "cannot be read|holds"),
        ("a\x1b[2J,b\n1,2\n", r"allowed: a \[2J, b"),
        ("1,2\n3,9" + "9" * 5_000 + "\n", "not finite"),
    ],
)
def test_tables_of_strange_text(tmp_path, text, said):
    (tmp_path / "t.csv").write_text(text)
    label = "c" if "\x1b" in text else ""
    refused(rf"t\.csv.*({said})", kind="csv", path=str(tmp_path / "t.csv"), label=label)


@pytest.mark.parametrize("path", ["~nobody-here/x", "a\0b", "x" * 5_000])
def test_paths_that_can_be_none(path):
    for kind in ("csv", "npz", "hdf5", "mnist"):
        refused(r"data\.path", kind=kind, path=path)


def test_a_loop_of_links_is_no_path(tmp_path):
    (tmp_path / "a.csv").symlink_to(tmp_path / "b.csv")
    (tmp_path / "b.csv").symlink_to(tmp_path / "a.csv")
    refused(r"data\.path", kind="csv", path=str(tmp_path / "a.csv"))
