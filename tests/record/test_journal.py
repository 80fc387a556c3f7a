"""The journal beside a run's file: a commit is there whole or not at all, wherever the writing ends."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from record import sample_run

from workbench.errors import RecordingGone, StorageError
from workbench.protocol.status import RunStatus
from workbench.record import journal, store
from workbench.record.beside import keep_beside
from workbench.record.journal import JOURNAL_NAME, PAGE
from workbench.record.journaled import JournaledFile
from workbench.record.reader import RunReader
from workbench.record.store import RunStore


@pytest.fixture
def ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run whose writer ended with 60 records in run.h5 and 40 and an event in the journal."""
    monkeypatch.setattr(store, "SYNC_SECONDS", 1e9)
    folder = tmp_path / "run"
    folder.mkdir()
    child = os.fork()
    if child == 0:
        writer = sample_run.create(folder)
        writer.append(sample_run.rows(0, 60))
        writer.commit(sync=True)
        for _ in range(4):
            writer.append(sample_run.rows(writer.last_step + 1, 10))
            writer.event(writer.last_step, "note", "so far")
            writer.commit()
        os._exit(0)
    os.waitpid(child, 0)
    return folder


def frames(content: bytes) -> list[int]:
    """Where each frame of a journal begins, and its end."""
    found, place = [], journal.HEADER_SIZE
    while place < len(content):
        found.append(place)
        place += journal._FRAME.size + int.from_bytes(content[place + 4 : place + 8], "little") * (
            8 + PAGE
        )
    return [*found, place]


def sound(folder: Path, count: int) -> None:
    with RunReader(folder) as reader:
        assert reader.n_records == count
        assert sample_run.check(reader) == []


def test_a_journal_cut_off_at_any_byte_holds_the_commits_before(
    ended: Path, tmp_path: Path
) -> None:
    content = (ended / JOURNAL_NAME).read_bytes()
    places = frames(content)
    assert len(places) == 5
    assert places[-1] == len(content)
    cuts = {
        0,
        1,
        journal.HEADER_SIZE - 1,
        *places,
        *(p - 1 for p in places),
        *(p + 9 for p in places[:-1]),
    }
    cuts |= set(random.Random(1).sample(range(len(content)), 40))
    for cut in cuts:
        folder = tmp_path / f"cut-{cut}"
        shutil.copytree(ended, folder)
        (folder / JOURNAL_NAME).write_bytes(content[:cut])
        count = 60 + 10 * sum(place <= cut for place in places[1:])
        sound(folder, count)
        with RunStore.reopen(folder) as reopened:
            assert reopened.n_committed == count
            reopened.append(sample_run.rows(count, 5))
        assert not (folder / JOURNAL_NAME).exists()
        sound(folder, count + 5)


def test_a_file_torn_as_the_journal_was_put_into_it_is_whole_again(
    ended: Path, tmp_path: Path
) -> None:
    """Half of every write that was under way, at every place: what is acknowledged is all there."""
    before = (ended / "run.h5").read_bytes()
    other = tmp_path / "other"
    shutil.copytree(ended, other)
    JournaledFile(other / "run.h5").close()
    after = (other / "run.h5").read_bytes().ljust(len(before), b"\0")
    assert not (other / JOURNAL_NAME).exists()
    changed = [p for p in range(0, len(after), PAGE) if after[p : p + PAGE] != before[p : p + PAGE]]
    assert len(changed) > 20
    rng = random.Random(2)
    for turn in range(30):
        torn = bytearray(before.ljust(len(after), b"\0"))
        for place in rng.sample(changed, rng.randrange(1, len(changed))):
            size = PAGE if rng.random() < 0.5 else PAGE // 2
            torn[place : place + size] = after[place : place + size]
        folder = tmp_path / f"torn-{turn}"
        shutil.copytree(ended, folder)
        (folder / "run.h5").write_bytes(torn[: len(torn) if turn % 2 else len(before)])
        sound(folder, 100)
        RunStore.reopen(folder).close()
        sound(folder, 100)


def test_damage_inside_a_journal_is_named(ended: Path) -> None:
    path = ended / JOURNAL_NAME
    content = path.read_bytes()
    places = frames(content)
    for place, words in (
        (places[1] + 50, "damaged in its middle"),
        (3, "its beginning does not hold"),
    ):
        broken = bytearray(content)
        broken[place] ^= 16
        path.write_bytes(broken)
        for action in (RunReader, RunStore.reopen):
            with pytest.raises(StorageError, match=words):
                action(ended)
        assert path.read_bytes() == bytes(broken)
    path.unlink()
    sound(ended, 60)


def test_a_journal_of_another_state_is_refused(ended: Path, tmp_path: Path) -> None:
    """Somebody put an older copy of run.h5 back: the journal's pages do not fit it."""
    other = tmp_path / "other"
    other.mkdir()
    with sample_run.create(other) as older:
        older.append(sample_run.rows(0, 17))
    shutil.copy(other / "run.h5", ended / "run.h5")
    with pytest.raises(StorageError, match="another state of run"):
        RunReader(ended)
    with pytest.raises(StorageError, match="another state of run"):
        RunStore.reopen(ended)


def test_a_link_or_a_folder_is_no_journal(ended: Path, tmp_path: Path) -> None:
    path = ended / JOURNAL_NAME
    content = path.read_bytes()
    path.unlink()
    (tmp_path / "elsewhere").write_bytes(content)
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match="cannot read"):
        RunReader(ended)
    path.unlink()
    path.mkdir()
    with pytest.raises(StorageError, match="cannot read"):
        RunReader(ended)


def test_commits_write_what_changed_and_no_more(tmp_path: Path) -> None:
    """A commit rewrites whole chunks of 64 KiB; the journal gets the pages that differ."""
    folder = tmp_path / "run"
    folder.mkdir()
    with sample_run.create(folder) as writer:
        writer.append(sample_run.rows(0, 700))
        writer.commit(sync=True)
        before = (folder / JOURNAL_NAME).stat().st_size
        writer.append(sample_run.rows(700, 1))
        writer.commit()
        assert 0 < (folder / JOURNAL_NAME).stat().st_size - before < 40 * PAGE


def test_the_file_object_is_a_file(tmp_path: Path) -> None:
    """Random writes, reads, sizes, commits and kills against plain bytes."""
    rng = random.Random(5)
    path = tmp_path / "run.h5"
    path.write_bytes(rng.randbytes(3000))
    model = bytearray(path.read_bytes())
    kept = bytes(model)
    file = JournaledFile(path)
    for _ in range(600):
        place, size = rng.randrange(len(model) + 2000), rng.randrange(1, 1500)
        match rng.randrange(6):
            case 0 | 1 | 2:
                data = rng.randbytes(size)
                file.write_at(place, data)
                model.extend(bytes(max(0, place + size - len(model))))
                model[place : place + size] = data
            case 3:
                assert file.bytes_at(place, size) == bytes(model[place : place + size])
            case 4:
                file.append()
                kept = bytes(model)
                if rng.random() < 0.5:
                    file.apply()
                    assert path.read_bytes() == kept
            case _:
                file.discard()
                file.close()
                model = bytearray(kept)
                file = JournaledFile(path)
                assert path.read_bytes() == kept
        assert file.size == len(model)
    file.close()


@pytest.fixture
def writing(tmp_path: Path) -> RunStore:
    folder = tmp_path / "runs" / "run"
    folder.mkdir(parents=True)
    writer = sample_run.create(folder)
    writer.append(sample_run.rows(0, 60))
    writer.commit()
    writer.append(sample_run.rows(60, 7))
    return writer


@pytest.mark.parametrize(
    "how", ["file deleted", "folder deleted", "runs deleted", "replaced", "folder moved"]
)
def test_a_file_that_is_gone_is_noticed_and_everything_kept(writing: RunStore, how: str) -> None:
    folder = writing.folder
    match how:
        case "file deleted":
            writing.path.unlink()
        case "folder deleted":
            shutil.rmtree(folder)
        case "runs deleted":
            shutil.rmtree(folder.parent)
        case "replaced":
            shutil.copy(writing.path, folder / "copy")
            os.replace(folder / "copy", writing.path)
        case _:
            folder.rename(folder.with_name("elsewhere"))
    there = writing.path.read_bytes() if how == "replaced" else None
    with pytest.raises(RecordingGone, match="of run run was"):
        writing.commit()
    with pytest.raises(StorageError, match="of run run was"):
        writing.append(sample_run.rows(67, 1))
    place = keep_beside(writing)
    assert place == folder.with_name("run-kept")
    sound(place, 67)
    with RunStore.reopen(place) as store:
        store.append(sample_run.rows(67, 3))
    sound(place, 70)
    assert there is None or writing.path.read_bytes() == there


def test_a_file_that_goes_while_the_run_is_finished_is_not_called_finished(
    writing: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copying(*arguments: object, **options: object) -> None:
        shutil.rmtree(writing.folder)
        raise StorageError("the file cannot be read.")

    monkeypatch.setattr(store.compact, "copy_file", copying)
    with pytest.raises(RecordingGone):
        writing.finish(RunStatus.FINISHED)
    sound(keep_beside(writing), 67)


def test_flipped_bits_are_seen(tmp_path: Path) -> None:
    """In a live file and a finished one: what is read is what was written, or refused."""
    rng = np.random.default_rng(3)
    for finished in (False, True):
        folder = sample_run.finished(tmp_path / "finished", 200) if finished else tmp_path / "live"
        if not finished:
            folder.mkdir()
            with sample_run.create(folder) as writer:
                writer.append(sample_run.rows(0, 200))
        content = (folder / "run.h5").read_bytes()
        seen = 0
        for place in rng.choice(len(content), 80, replace=False):
            broken = bytearray(content)
            broken[place] ^= 1 << int(rng.integers(8))
            (folder / "run.h5").write_bytes(broken)
            try:
                with RunReader(folder) as reader:
                    assert reader.n_records == 200
                    assert sample_run.check(reader) == []
            except StorageError:
                seen += 1
        assert seen > 10
