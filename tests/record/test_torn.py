"""A kill inside a write: headers that are half new and half old come back as they were."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from record import sample_run

from workbench.record.counters import checksum
from workbench.record.lookup3 import lookup3
from workbench.record.reader import RunReader
from workbench.record.store import RunStore
from workbench.record.superblock import recover
from workbench.record.table_files import NONE
from workbench.record.torn import restored_headers

SIGNATURE = b"OHDR\x02"


def headers(data: bytes) -> list[tuple[int, int]]:
    """(start, end) of the series' headers, checksum included, read the slow way."""
    found, start = [], data.find(SIGNATURE)
    while start >= 0:
        for end in range(start + 16, start + 600):
            if lookup3(data[start:end]) == int.from_bytes(data[end : end + 4], "little"):
                found.append((start, end + 4))
                break
        start = data.find(SIGNATURE, start + 1)
    return found


@pytest.fixture(scope="module")
def commits(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """The file of a run as a commit found it, and as it left it, before the counter is written."""
    folder = tmp_path_factory.mktemp("commits")
    store = sample_run.create(folder)
    store.append(sample_run.rows(0, 60))
    store.commit(sync=True)
    before = (folder / "run.h5").read_bytes()
    store.append(sample_run.rows(60, 300))
    store.commit(sync=True)
    after = (folder / "run.h5").read_bytes()
    store.close()
    return before, after


def torn(commits: tuple[bytes, bytes]) -> dict[int, bytes]:
    """The later file with one header half written, by the header's place: every one that changed."""
    before, after = commits
    files = {}
    for start, end in headers(before):
        if before[start:end] != after[start:end]:
            middle = (start + end) // 2
            files[start] = after[:middle] + before[middle:end] + after[end:]
    return files


def test_every_torn_header_of_a_series_comes_back(
    commits: tuple[bytes, bytes], tmp_path: Path
) -> None:
    files = torn(commits)
    assert len(files) >= len(sample_run.SHAPES)
    for place, data in files.items():
        path = tmp_path / "run.h5"
        path.write_bytes(data)
        with path.open("rb") as file:
            ((found, header),) = restored_headers(file.fileno()).items()
        assert found == place
        assert header == commits[0][place : place + len(header)]


def test_acknowledged_records_are_read_and_recorded_on(
    commits: tuple[bytes, bytes], tmp_path: Path
) -> None:
    """A kill inside a write of the second commit: the first one's 60 records are all there."""
    before, after = commits
    counter = next(start for start, _ in headers(before) if before[start:] != after[start:])
    place, data = next(iter(torn(commits).items()))
    assert counter <= place
    # The counter is written last, so a torn header of that commit stands beside the old count.
    inside = headers(before)
    for size, old, new in ((8, 60, 360), (4, checksum(60, 0, NONE), checksum(360, 0, NONE))):
        count = old.to_bytes(size, "little"), new.to_bytes(size, "little")
        spots = [i for i in range(len(before) - 8) if before[i : i + size] == count[0]]
        counts = [i for i in spots if after[i : i + size] == count[1] and not _in(inside, i)]
        assert len(counts) == 1
        data = data[: counts[0]] + count[0] + data[counts[0] + size :]
    (tmp_path / "run.h5").write_bytes(data)
    with RunReader(tmp_path) as reader:
        assert reader.n_records == 60
        for name in sample_run.SHAPES:
            assert np.array_equal(reader.read(name), sample_run.expected(name, np.arange(60)))
    store = RunStore.reopen(tmp_path)
    store.append(sample_run.rows(60, 40))
    store.close()
    with RunReader(tmp_path) as reader:
        for name in sample_run.SHAPES:
            assert np.array_equal(reader.read(name), sample_run.expected(name, np.arange(100)))


def _in(spans: list[tuple[int, int]], place: int) -> bool:
    return any(start <= place < end for start, end in spans)


def test_a_header_that_nothing_proves_is_left_alone(
    commits: tuple[bytes, bytes], tmp_path: Path
) -> None:
    """A flipped bit elsewhere in a header fits no extent: the damage stays named."""
    _, after = commits
    start, end = headers(after)[3]
    damaged = bytearray(after)
    damaged[end - 9] ^= 4
    path = tmp_path / "run.h5"
    path.write_bytes(damaged)
    with path.open("rb") as file:
        assert restored_headers(file.fileno()) == {}
    recover(path)
    assert path.read_bytes()[start:end] == bytes(damaged[start:end])
