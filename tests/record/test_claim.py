"""The claim on a run: its lock and its heartbeat, on one machine and on several, with locks and without."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from record import sample_run

from workbench.errors import ClaimLost, RecordingGone, RunBusy, StorageError
from workbench.protocol.status import RunStatus
from workbench.record import heartbeat
from workbench.record.aside import set_aside
from workbench.record.checkpoint import list_checkpoints, save_checkpoint
from workbench.record.delete import delete_run
from workbench.record.fence import fence
from workbench.record.heartbeat import HEARTBEAT_NAME, SIZE, Heartbeat, read_beat
from workbench.record.lock import CLAIM_FILES, RunLock, claim_on, is_alive, lock_holder
from workbench.record.process import Presence, presence, this_process
from workbench.record.reader import RunReader
from workbench.record.store import RunStore
from workbench.record.subject import STUDY, Subject, shard_subject


@pytest.fixture(autouse=True)
def short_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "BEAT", 0.05)
    monkeypatch.setattr(heartbeat, "TRUST", 0.2)
    monkeypatch.setattr(heartbeat, "LIFE", 1.5)


@pytest.fixture(params=[errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def no_locks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(descriptor: int, operation: int) -> None:
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(fcntl, "flock", locked)


@pytest.fixture
def locks_of_one_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every lock is given away, as to processes on different machines."""
    monkeypatch.setattr(fcntl, "flock", lambda descriptor, operation: None)


def elsewhere(folder: Path, **changes: object) -> Heartbeat:
    """The heartbeat of a claim that a process on another machine has."""
    beat = Heartbeat(folder)
    beat._process = replace(
        this_process(), **{"host": "node7", "boot": "another", "pid": 4711, **changes}
    )
    assert beat.put_first()
    return beat


@pytest.fixture
def beating(tmp_path: Path) -> Iterator[Heartbeat]:
    """Such a heartbeat in `tmp_path`, renewed until the end of the test."""
    beat, stop = elsewhere(tmp_path), threading.Event()

    def renew() -> None:
        while not stop.wait(0.05):
            beat.renew()

    thread = threading.Thread(target=renew)
    thread.start()
    yield beat
    stop.set()
    thread.join()


def lost_run(folder: Path) -> None:
    """A run with five records whose writer died and left no heartbeat."""
    folder.mkdir(exist_ok=True)
    store = sample_run.create(folder)
    store.append(sample_run.rows(0, 5))
    store.close()


def in_child(action: Callable[[], None]) -> int:
    """The exit code of a forked child that does something: 0, or 1 where it raises."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            action()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 20.0
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def beats(folder: Path) -> int:
    return int(json.loads((folder / HEARTBEAT_NAME).read_text())["beats"])


def test_the_heartbeat_beats_for_as_long_as_the_claim_stands(tmp_path: Path) -> None:
    others = set(threading.enumerate())
    with RunLock(tmp_path):
        found = read_beat(tmp_path)
        assert found is not None
        assert found.process == this_process()
        wait_for(lambda: beats(tmp_path) >= 3)
        assert (tmp_path / HEARTBEAT_NAME).stat().st_size == SIZE
        assert "heartbeat" in {thread.name for thread in set(threading.enumerate()) - others}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.lock"]
    assert "heartbeat" not in {thread.name for thread in set(threading.enumerate()) - others}


def test_a_forked_child_does_not_beat(tmp_path: Path) -> None:
    def child() -> None:
        assert claim_on(tmp_path) is None
        assert threading.active_count() == 1
        lock.release()

    with RunLock(tmp_path) as lock:
        assert in_child(child) == 0
        assert (tmp_path / HEARTBEAT_NAME).exists()
        assert is_alive(tmp_path)


def test_a_file_system_without_locks_is_claimed_by_the_heartbeat(
    tmp_path: Path, no_locks: None
) -> None:
    with RunLock(tmp_path) as lock:
        assert "no locks" in lock.notice
        assert is_alive(tmp_path)
        with pytest.raises(RunBusy, match=f"pid {os.getpid()} on .*, last seen 20"):
            RunLock(tmp_path).acquire()

        def refused() -> None:
            with pytest.raises(RunBusy):
                RunLock(tmp_path).acquire()

        assert in_child(refused) == 0
        assert beats(tmp_path) >= 0
    assert not is_alive(tmp_path)


def test_without_locks_a_stopped_writer_of_this_machine_is_alive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", locked)
    monkeypatch.setattr(heartbeat, "LIFE", 0.5)
    child = os.fork()
    if child == 0:
        RunLock(tmp_path).acquire()
        time.sleep(60)
        os._exit(0)
    try:
        wait_for(lambda: read_beat(tmp_path) is not None)
        os.kill(child, signal.SIGSTOP)
        time.sleep(2 * heartbeat.LIFE)
        assert is_alive(tmp_path)
        with pytest.raises(RunBusy):
            RunLock(tmp_path).acquire()
    finally:
        os.kill(child, signal.SIGKILL)
        wait_for(lambda: not is_alive(tmp_path))  # while it is a zombie
        os.waitpid(child, 0)
    assert not is_alive(tmp_path)


def test_without_locks_a_killed_writer_of_this_machine_is_dead_at_once(
    tmp_path: Path, no_locks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "LIFE", 3600.0)

    def die() -> None:
        RunLock(tmp_path).acquire()
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(die) == -signal.SIGKILL
    assert read_beat(tmp_path) is not None
    assert not is_alive(tmp_path)
    with RunLock(tmp_path) as lock:
        assert lock.took_over is None
        assert is_alive(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.lock"]


def test_a_pid_that_was_given_again_is_another_process() -> None:
    here = this_process()
    assert presence(here) is Presence.HERE
    assert presence(replace(here, started=here.started - 1)) is Presence.GONE
    assert presence(replace(here, pid=2**22 + 1)) is Presence.GONE
    for changes in ({"boot": "another"}, {"host": "another"}, {"space": "pid:[1]"}, {"boot": ""}):
        assert presence(replace(here, **changes)) is Presence.UNKNOWN


def test_a_writer_on_another_machine_is_never_joined(tmp_path: Path, beating: Heartbeat) -> None:
    told: list[str] = []
    with pytest.raises(RunBusy, match=r"pid 4711 on node7, since 20.*, last seen 20"):
        RunLock(tmp_path, tell=told.append).acquire()
    assert is_alive(tmp_path)
    stands = read_beat(tmp_path)
    assert stands is not None
    assert stands.token == beating.token


@pytest.mark.parametrize("ahead", [-1e7, -60.0, 60.0, 1e7])
def test_clocks_that_differ_make_nobody_dead(
    tmp_path: Path, beating: Heartbeat, monkeypatch: pytest.MonkeyPatch, ahead: float
) -> None:
    """The one who claims watches; one who only looks is right while one clock is."""
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + ahead)
    with pytest.raises(RunBusy, match="node7"):
        RunLock(tmp_path).acquire()
    monkeypatch.setattr(time, "time", real)
    found = json.loads((tmp_path / HEARTBEAT_NAME).read_text())
    found["time"] += ahead
    assert is_alive(tmp_path)


def test_a_silent_writer_on_another_machine_can_be_succeeded(tmp_path: Path) -> None:
    lost_run(tmp_path)
    dead, told = elsewhere(tmp_path), list[str]()
    before = (tmp_path / "run.h5").stat().st_ino
    content = (tmp_path / "run.h5").read_bytes()
    assert is_alive(tmp_path)  # a single look cannot know
    with RunLock(tmp_path, tell=told.append) as lock:
        assert str(lock.took_over).startswith("pid 4711 on node7, since 20")
        assert is_alive(tmp_path)
        assert (tmp_path / "run.h5").stat().st_ino != before
        assert (tmp_path / "run.h5").read_bytes() == content
        stands = dead.renew()
        assert stands is not None
        assert stands.token != dead.token
    assert len(told) == 1
    assert "node7" in told[0]
    assert not (tmp_path / HEARTBEAT_NAME).exists()


def aged(folder: Path, written: float, changed: float) -> None:
    """Set the age of the heartbeat by its writer's clock and by the file's, in seconds."""
    path = folder / HEARTBEAT_NAME
    found = json.loads(path.read_text())
    found["time"] = time.time() - written
    path.write_bytes(json.dumps(found).encode().ljust(SIZE - 1) + b"\n")
    os.utime(path, (time.time() - changed,) * 2)


@pytest.mark.parametrize(
    ("written", "changed", "alive"),
    [
        (5.0, 5.0, True),
        (1000.0, 1000.0, False),
        (1000.0, 5.0, True),
        (5.0, 1000.0, True),
        (-1e7, 1000.0, False),
        (1000.0, -1e7, False),
        (-1e7, -1e7, True),
    ],
)
def test_a_single_look_goes_by_the_age_that_every_possible_clock_gives(
    tmp_path: Path, written: float, changed: float, alive: bool
) -> None:
    elsewhere(tmp_path)
    aged(tmp_path, written, changed)
    assert is_alive(tmp_path) == alive
    time.sleep(heartbeat.LIFE)
    assert not is_alive(tmp_path)  # it was watched, and did not change


def test_a_lost_run_says_when_it_was_last_seen_and_where(tmp_path: Path) -> None:
    from commands.show import as_lines, describe

    lost_run(tmp_path)
    elsewhere(tmp_path)
    aged(tmp_path, 1000.0, 1000.0)
    with RunReader(tmp_path) as reader:
        found = describe(reader)
    assert found["status"] is RunStatus.LOST
    assert found["writer"]["host"] == "node7"
    lines = as_lines(found)
    assert any("last seen 20" in line and "on node7 (pid 4711)" in line for line in lines)


def take_over(folder: Path) -> Heartbeat:
    """Another machine takes the run, whatever stands there."""
    other = Heartbeat(folder)
    other._process = replace(this_process(), host="node8", boot="another", pid=815)
    last = read_beat(folder)
    assert last is not None
    while not other.succeed(last, lambda beat: None):
        last = read_beat(folder)
        assert last is not None
    return other


def test_who_lost_the_run_writes_nothing_more(tmp_path: Path) -> None:
    lost = threading.Event()
    lock = RunLock(tmp_path)
    lock.when_lost = lost.set
    lock.acquire()
    store = sample_run.create(tmp_path)
    store.append(sample_run.rows(0, 5))
    store.commit(sync=True)
    other = take_over(tmp_path)
    before = (tmp_path / "run.h5").read_bytes()
    assert lost.wait(20.0)
    store_sentence = "taken over by another process .pid 815 on node8, since 20.*nothing more"
    with pytest.raises(ClaimLost, match=store_sentence):
        store.append(sample_run.rows(5, 7))
    for refused in (
        lambda: store.finish(RunStatus.FINISHED),
        lambda: store.set_status(RunStatus.STOPPED),
        lambda: store.event(1, "note", ""),
    ):
        with pytest.raises(StorageError, match="taken over"):
            refused()
    with pytest.raises(ClaimLost):
        RunStore.reopen(tmp_path)
    with pytest.raises(ClaimLost):
        save_checkpoint(tmp_path, 7, {"theta": sample_run.rows(0, 1)["step"]}, {})
    assert list_checkpoints(tmp_path) == []
    lock.release()
    assert (tmp_path / "run.h5").read_bytes() == before
    stands = read_beat(tmp_path)
    assert stands is not None
    assert stands.token == other.token


def test_who_slept_looks_before_it_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written between waking and the next renewal."""
    monkeypatch.setattr(heartbeat, "BEAT", 3600.0)
    with RunLock(tmp_path) as lock:
        store = sample_run.create(tmp_path)
        store.append(sample_run.rows(0, 5))
        take_over(tmp_path)
        time.sleep(2 * heartbeat.TRUST)
        with pytest.raises(ClaimLost):
            store.commit()
        assert "node8" in lock.lost


def test_a_heartbeat_that_was_removed_is_put_again(tmp_path: Path) -> None:
    with RunLock(tmp_path) as lock:
        store = sample_run.create(tmp_path)
        store.commit(sync=True)
        wait_for(lambda: lock._run_file is not None)
        (tmp_path / HEARTBEAT_NAME).unlink()
        wait_for(lambda: (tmp_path / HEARTBEAT_NAME).exists())
        store.append(sample_run.rows(0, 5))
        store.close()
    assert not (tmp_path / HEARTBEAT_NAME).exists()


def test_who_took_over_and_ended_left_new_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that slept meanwhile finds no heartbeat, and a run.h5 that is not the one it wrote."""
    lock = RunLock(tmp_path)
    lock.acquire()
    store = sample_run.create(tmp_path)
    store.append(sample_run.rows(0, 5))
    store.commit(sync=True)
    wait_for(lambda: lock._run_file is not None)
    with lock._renewing:  # asleep
        other = take_over(tmp_path)
        fence(tmp_path, CLAIM_FILES)
        other.remove()
        time.sleep(2 * heartbeat.TRUST)
    before = (tmp_path / "run.h5").read_bytes()
    for refused in (
        lambda: save_checkpoint(tmp_path, 7, {"theta": sample_run.rows(0, 1)["step"]}, {}),
        store.commit,
    ):
        with pytest.raises(RecordingGone, match="was replaced"):
            refused()
    assert list_checkpoints(tmp_path) == []
    assert (tmp_path / "run.h5").read_bytes() == before
    store.keep_beside(tmp_path / "kept.h5")
    with RunReader(tmp_path / "kept.h5") as reader:
        assert reader.n_records == 5
    lock.release()
    assert not (tmp_path / HEARTBEAT_NAME).exists()


def test_a_full_disk_loses_no_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, data: bytes, offset: int) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with RunLock(tmp_path) as lock:
        monkeypatch.setattr(os, "pwrite", full)
        time.sleep(2 * heartbeat.TRUST)
        lock.check()
        monkeypatch.undo()
        assert not lock.lost


def test_an_unreadable_heartbeat_stops_the_writing_but_not_for_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(descriptor: int, size: int, offset: int) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with RunLock(tmp_path) as lock:
        with monkeypatch.context() as patch:
            patch.setattr(os, "pread", broken)
            time.sleep(2 * heartbeat.TRUST)
            with pytest.raises(StorageError, match="Input/output error"):
                lock.check()
        lock.check()


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("dead", [True, False])
def test_of_many_who_claim_at_once_one_gets_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    locks_of_one_node: None,
    links: bool,
    dead: bool,
) -> None:
    def no_link(*names: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    if not links:
        monkeypatch.setattr(os, "link", no_link)
    for turn in range(5):
        folder = tmp_path / str(turn)
        folder.mkdir()
        if dead:
            assert in_child(lambda folder=folder: RunLock(folder).acquire()) == 0
        got = claim_together(folder, 6)
        assert got.count(0) == 1, got
        assert got.count(3) == 5, got


def claim_together(folder: Path, count: int) -> list[int]:
    """The exit codes of children that claim a run at once: 0 for one that got it, 3 for one refused.

    Who gets it keeps it until all others have ended.
    """
    (start, started), (end, ended) = os.pipe(), os.pipe()
    children, codes = [], list[int]()
    for _ in range(count):
        child = os.fork()
        if child == 0:
            code = 9
            try:
                os.close(started)
                os.close(ended)
                os.read(start, 1)
                RunLock(folder).acquire()
                os.read(end, 1)
                code = 0
            except RunBusy:
                code = 3
            finally:
                os._exit(code)
        children.append(child)
    os.close(started)
    until = time.monotonic() + 60.0
    while children:
        if ended >= 0 and (len(children) == 1 or time.monotonic() > until):
            os.close(ended)
            ended = -1
        for child in list(children):
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                children.remove(child)
                codes.append(os.waitstatus_to_exitcode(status))
        time.sleep(0.005)
    os.close(start)
    os.close(end)
    return codes


def test_a_claim_that_died_half_way_is_in_nobodys_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die() -> None:
        RunLock(tmp_path).acquire()
        os._exit(0)

    def die_before_replacing() -> None:
        monkeypatch.setattr(os, "replace", lambda *names: os._exit(7))
        RunLock(tmp_path).acquire()

    assert in_child(die) == 0
    for _ in range(2):
        assert in_child(die_before_replacing) == 7
    assert any(".after-" in path.name for path in tmp_path.iterdir())
    with RunLock(tmp_path) as lock:
        assert lock.took_over is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.lock"]


def _garbage(path: Path) -> None:
    path.write_bytes(b"\x1b]0;x\x07" * 400)


def _deep(path: Path) -> None:
    path.write_text("[" * 1000)


def _wrong_types(path: Path) -> None:
    path.write_text(json.dumps({"token": "0" * 32, "host": 3, "pid": -1, "time": "nan"}))


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


@pytest.mark.parametrize("made", [_garbage, _deep, _wrong_types, _pipe, _link])
def test_a_heartbeat_that_says_nothing_is_watched_too(
    tmp_path: Path, made: Callable[[Path], None]
) -> None:
    made(tmp_path / HEARTBEAT_NAME)
    is_alive(tmp_path)
    assert lock_holder(tmp_path) is None
    with RunLock(tmp_path):
        assert is_alive(tmp_path)
    assert not is_alive(tmp_path)
    assert Path("/etc/passwd").exists()


def test_deleting_needs_no_room_and_spares_a_living_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*names: object, **more: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    run = tmp_path / "20260101-000000-circle-aaaa"
    lost_run(run)
    living = elsewhere(run)
    stop = threading.Event()
    thread = threading.Thread(
        target=lambda: [living.renew() for _ in iter(lambda: stop.wait(0.05), True)]
    )
    thread.start()
    with pytest.raises(RunBusy, match="node7"):
        delete_run(run, tmp_path)
    stop.set()
    thread.join()
    living.remove()
    monkeypatch.setattr(os, "link", full)
    with pytest.raises(StorageError, match="the disk is full"):
        RunLock(run).acquire()
    delete_run(run, tmp_path)
    assert not run.exists()


def test_what_is_set_aside_holds_no_claim(tmp_path: Path) -> None:
    lost_run(tmp_path)
    with RunLock(tmp_path):
        place = set_aside(tmp_path, [])
        assert (place / "run.h5").exists()
        assert not (place / HEARTBEAT_NAME).exists()
        assert not (place / "run.lock").exists()


def test_a_pipe_in_the_place_of_the_lock_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "run.lock")
    assert lock_holder(tmp_path) is None


@pytest.mark.parametrize("subject", [STUDY, shard_subject(7)])
def test_a_study_and_a_shard_are_claimed_by_files_of_their_own(
    tmp_path: Path, subject: Subject
) -> None:
    folder = tmp_path / "a-study" / "shards"
    folder.mkdir(parents=True)
    with RunLock(folder), RunLock(folder, subject=shard_subject(8)):
        assert not is_alive(folder, subject)
        with RunLock(folder, subject=subject) as lock:
            assert claim_on(folder, subject) is lock
            assert set(subject.files) < {path.name for path in folder.iterdir()}
            holder = lock_holder(folder, subject)
            assert holder is not None
            assert holder.since is not None
            assert abs(holder.since - time.time()) < 60.0
            name = "shards" if subject is STUDY else "a-study"
            who = f"{subject.noun} '{name}' is being .* by another process .pid {os.getpid()} on .*, since 20"
            with pytest.raises(RunBusy, match=who):
                RunLock(folder, subject=subject).acquire()
        assert not is_alive(folder, subject)
        assert is_alive(folder)


def test_what_is_replaced_whole_is_neither_fenced_nor_guarded(tmp_path: Path) -> None:
    (tmp_path / "0003.h5").write_bytes(b"as it was")
    before = (tmp_path / "0003.h5").stat().st_ino
    beat = Heartbeat(tmp_path, shard_subject(3).heartbeat_name)
    beat._process = replace(this_process(), host="node7", boot="another")
    assert beat.put_first()
    with RunLock(tmp_path, subject=shard_subject(3)) as lock:
        assert lock.took_over is not None
        assert (tmp_path / "0003.h5").stat().st_ino == before
        (tmp_path / "0003.heartbeat").unlink()
        wait_for((tmp_path / "0003.heartbeat").exists)
        lock.check()
