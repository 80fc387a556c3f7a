"""A shard's members are the runs that they would be alone, whatever befalls those beside them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from study.made import finished_study, half_done_study, small_config, study_folder

from workbench.engine.pace import Pace
from workbench.engine.program import StopFlag
from workbench.errors import RunBusy, StorageError
from workbench.inspector.inspect import inspect_state
from workbench.presets import read_preset
from workbench.record import shard_file
from workbench.record.lock import RunLock
from workbench.record.reader import RunReader
from workbench.record.shard_file import read_shard, write_shard
from workbench.record.subject import shard_subject
from workbench.run.session import Session
from workbench.run.stored import StoredRun
from workbench.study import shard as shard_module
from workbench.study.folder import shard_path, shards_folder
from workbench.study.outcome import MemberStatus
from workbench.study.shard import run_shard
from workbench.study.stored import StoredStudy

SEVERAL_SADDLES = {
    **{
        k: {"n": None, **v} if k == "data" else v
        for k, v in read_preset("kh24-saddle-to-saddle").items()
    },
    "study": {"members": 2},
    "grid": {"init.seed": [0], "init.scale": [1e-20]},
}
SEVERAL_SADDLES["train"] = {**SEVERAL_SADDLES["train"], "steps": 15_000}
SEPARABLE = {
    "data": {"kind": "gaussian-separable", "n": 12, "d": 3, "margin": 0.3, "seed": 1},
    "model": {"kind": "two-layer-relu", "width": 4},
    "init": {"kind": "balanced"},
    "loss": {"kind": "logistic", "reduction": "mean"},
    "train": {"rule": "constant", "lr": 0.3, "steps": 400},
    "study": {"members": 2, "keep": ["log_risk", "margin_normalized", "no_such"]},
    "grid": {"init.seed": "range(0, 2)", "init.scale": [0.1]},
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return finished_study(tmp_path_factory.mktemp("finished"))


def single_run(study, member, folder):
    """The saddles, inspections and series of the run that a member is, trained headless by itself."""
    config = study.member_config(member)
    config = config.model_copy(
        update={"pause": config.pause.model_copy(update={"at_saddle": False})}
    )
    with Session.create(config, folder) as session:
        session.start()
        assert session.wait(120)
        assert session.engine.error is None
    with RunReader(session.folder) as reader:
        series = {name: np.asarray(reader.read(name)) for name in reader.series_names()}
        events = [event for event in reader.events() if event.kind == "saddle"]
        return events, {i.step: i for i in reader.inspections() if i.cause == "saddle"}, series


def require_the_run(study, member, folder):
    """A member's outcome and series are those of its run, to the last bit."""
    events, inspections, series = single_run(study, member, folder)
    outcome = study.outcome(member)
    assert [saddle.step for saddle in outcome.saddles] == [event.step for event in events]
    for saddle, event in zip(outcome.saddles, events, strict=True):
        assert saddle.evidence in event.text
        row = int(np.searchsorted(series["step"], saddle.step))
        assert saddle.log_risk == series["log_risk"][row]
        assert saddle.time == series["time"][row]
        seen = inspections[saddle.step]
        if seen.outcome is not None and seen.outcome.kind == "left":
            assert saddle.leaver == seen.outcome.neuron
            assert saddle.escape_time == pytest.approx(seen.time + seen.outcome.time, rel=1e-12)
            before = series["step"][np.searchsorted(series["step"], seen.outcome.step) - 1]
            assert before <= saddle.escape_step <= seen.outcome.step
            np.testing.assert_array_equal(saddle.target_direction, seen.direction(saddle.leaver))
    assert outcome.last_step == series["step"][-1]
    for name, value in outcome.last.items():
        assert value == series[name][-1] or np.isnan(value), name
    for name in study.series_names():
        step, values = study.series(name)
        here = np.isin(step, series["step"])
        assert (step[~here] > outcome.last_step).all()
        rows = np.searchsorted(series["step"], step[here])
        np.testing.assert_array_equal(values[member][here], series[name][rows], err_msg=name)
        assert np.isnan(values[member][~here]).all()
    return outcome, series


def test_members_have_the_saddles_and_the_bits_of_their_runs(finished, tmp_path):
    study = StoredStudy(finished)
    left = 0
    for member in (0, 3, 10):
        outcome, _ = require_the_run(study, member, tmp_path)
        left += sum(saddle.leaver >= 0 for saddle in outcome.saddles)
    assert left == 2


@pytest.mark.full
def test_every_saddle_of_a_run_with_several_is_told(tmp_path):
    study = StoredStudy(finished_study(tmp_path, **SEVERAL_SADDLES))
    outcome, _ = require_the_run(study, 0, tmp_path / "runs")
    assert len(outcome.saddles) >= 2


def test_when_samples_separate_is_told_and_what_does_not_apply_is_left_out(tmp_path):
    study = StoredStudy(finished_study(tmp_path, **SEPARABLE))
    assert set(study.series_names()) == {"log_risk", "margin_normalized"}
    outcome, series = require_the_run(study, 0, tmp_path / "runs")
    separated = series["log_risk"] + np.log(12) < np.log(np.log(2.0))
    assert separated.any()
    first = int(np.argmax(separated))
    assert outcome.end["separated_step"] == series["step"][first]
    assert outcome.end["separated_time"] == series["time"][first]


@pytest.mark.full
def test_ends_are_looked_at_as_asked_and_gone_on_with(tmp_path):
    tables = {**SEPARABLE, "study": {"members": 2, "finish": ["inspect", "optimal"]}}
    whole = StoredStudy(finished_study(tmp_path / "whole", **tables))
    for outcome in whole.outcomes():
        assert outcome.end["verdict"] in ("diverging", "moving", "saddle", "plateau", "undecided")
        assert outcome.end["optimality"] in ("global", "local", "not local", "undecided")
        assert outcome.end["optimality_reason"]
    state = stored_end(whole, 0, tmp_path / "runs")
    assert whole.outcome(0).end["verdict"] == judgement_of(state)
    folder = study_folder(tmp_path, small_config(**tables))
    flag = StopFlag()

    def stop(told):
        # Both have taken their last step, and one of them was looked at.
        flag.raised = told.going == 0
        stops.append(flag.raised)

    stops: list[bool] = []
    assert run_shard(folder, 0, stop_flag=flag, progress=stop).stopped
    flag.raised = False
    while run_shard(folder, 0, stop_flag=flag, progress=stop).stopped:
        flag.raised = False
    assert sum(stops) >= 3
    require_same(shard_path(folder, 0), shard_path(whole.folder, 0))


def stored_end(study, member, folder):
    with Session.create(study.member_config(member), folder) as session:
        session.start()
        assert session.wait(120)
    with StoredRun(session.folder) as run:
        return run.state(None)


def judgement_of(state):
    return inspect_state(state).judgement.verdict


# --- kills, stops, claims ---


def require_same(one: Path, other: Path):
    """Two shards' files say the same to the last bit, but for how long it took."""
    a, b = read_shard(one), read_shard(other)
    assert a.state == b.state == {}
    assert a.attributes == b.attributes
    for group in ("member", "series", "last", "saddle", "point", "end"):
        mine, there = getattr(a, group), getattr(b, group)
        assert set(mine) == set(there)
        for name in mine:
            if (group, name) != ("member", "seconds"):
                np.testing.assert_array_equal(mine[name], there[name], err_msg=f"{group}/{name}")
    np.testing.assert_array_equal(a.theta, b.theta)


def test_a_stopped_shard_goes_on_to_the_same_bits(finished, tmp_path):
    folder = half_done_study(tmp_path)
    record = read_shard(shard_path(folder, 1))
    assert record.attributes["status"] == "running"
    assert record.state
    assert StoredStudy(folder).outcome(5).status is MemberStatus.LOST
    end = run_shard(folder, 1)
    assert end.members == {MemberStatus.FINISHED: 4}
    require_same(shard_path(folder, 1), shard_path(finished, 1))


def test_a_shard_that_dies_after_its_last_writing_comes_to_the_same_bits(
    finished, tmp_path, monkeypatch
):
    folder = study_folder(tmp_path, small_config())
    monkeypatch.setattr(Pace, "chunk_steps", lambda self, most: min(30, most))
    for dies in (2, 3):
        told = []

        def progress(found, told=told, dies=dies):
            told.append(found.step)
            # Written after the first chunk, never after the later ones.
            monkeypatch.setattr(shard_module, "WRITE_SECONDS", 60.0)
            if len(told) == dies:
                raise KeyboardInterrupt

        monkeypatch.setattr(shard_module, "WRITE_SECONDS", -1.0)
        with pytest.raises(KeyboardInterrupt):
            run_shard(folder, 1, progress=progress)
    assert read_shard(shard_path(folder, 1)).state["run/members/step"] == 30
    monkeypatch.undo()
    run_shard(folder, 1)
    require_same(shard_path(folder, 1), shard_path(finished, 1))


@pytest.mark.full
def test_a_shard_that_is_killed_again_and_again_comes_to_the_same_bits(finished, tmp_path):
    folder = study_folder(tmp_path, small_config())
    script = Path(__file__).with_name("kill_shard.py")
    delays = [f"{0.03 * k:.3f}" for k in range(1, 9)]
    found = subprocess.run(
        [sys.executable, str(script), str(folder), "1", *delays],
        env=dict(os.environ),
        stdout=subprocess.PIPE,
        check=True,
    )
    assert int(found.stdout) >= 4
    run_shard(folder, 1)
    require_same(shard_path(folder, 1), shard_path(finished, 1))
    assert not list(shards_folder(folder).glob(".*.tmp"))


def test_a_second_claimant_is_told_who_holds_the_shard(tmp_path):
    folder = study_folder(tmp_path, small_config())
    with (
        RunLock(shards_folder(folder), subject=shard_subject(0)),
        pytest.raises(RunBusy, match=rf"shard 0 of study .*pid {os.getpid()}\b"),
    ):
        run_shard(folder, 0)


def test_a_full_disk_leaves_the_last_whole_file(tmp_path, monkeypatch):
    folder = half_done_study(tmp_path)
    before = shard_path(folder, 1).read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shard_file, "put_in_place", full)
    with pytest.raises(StorageError, match="the disk is full"):
        run_shard(folder, 1)
    assert shard_path(folder, 1).read_bytes() == before
    assert not list(shards_folder(folder).glob(".*"))
    monkeypatch.undo()
    assert run_shard(folder, 1).members == {MemberStatus.FINISHED: 4}


def test_a_damaged_shard_is_missing_and_run_again(finished, tmp_path):
    folder = half_done_study(tmp_path)
    path = shard_path(folder, 0)
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    path.write_bytes(raw)
    study = StoredStudy(folder)
    if study.outcome(0).status is not MemberStatus.MISSING:
        pytest.skip("the byte is one that nothing is kept in")
    assert "damaged" in study.problems()[0] or "cannot be read" in study.problems()[0]
    run_shard(folder, 0)
    require_same(path, shard_path(finished, 0))


def test_a_done_shard_is_left_as_it_is(finished):
    before = shard_path(finished, 2).read_bytes()
    end = run_shard(finished, 2)
    assert (end.stopped, end.members) == (False, {MemberStatus.FINISHED: 4})
    assert shard_path(finished, 2).read_bytes() == before


# --- members that fail ---


def test_what_raises_costs_its_member_alone(finished, tmp_path, monkeypatch):
    from workbench.study.questions import Questions

    asked = Questions.saddle

    def fails(self, member, theta, step):
        if self.block.networks[member].config.init.seed == 2:
            raise np.linalg.LinAlgError("no eigenvalue")
        return asked(self, member, theta, step)

    folder = study_folder(tmp_path, small_config())
    monkeypatch.setattr(Questions, "saddle", fails)
    end = run_shard(folder, 1)
    assert end.members == {MemberStatus.FINISHED: 2, MemberStatus.FAILED: 2}
    study = StoredStudy(folder)
    one = study.outcome(4)
    assert one.reason == "LinAlgError: no eigenvalue."
    assert 0 < one.last_step < 400
    whole = StoredStudy(finished)
    for member in (6, 7):
        np.testing.assert_array_equal(study.theta(member), whole.theta(member))
        assert study.outcome(member).last == whole.outcome(member).last
    monkeypatch.undo()
    assert run_shard(folder, 1).members == {MemberStatus.FINISHED: 4}
    require_same(shard_path(folder, 1), shard_path(finished, 1))


OWN = {
    "rule": {
        "train": {
            "rule": "torch",
            "lr": None,
            "class": "tests.study.own_raising:Rule",
            "steps": 60,
        }
    },
    "measure": {
        "train": {"steps": 60},
        "measures": {"classes": ["tests.study.own_raising:Measure"]},
        "study": {"keep": ["log_risk", "size"]},
    },
}


@pytest.mark.parametrize("own", sorted(OWN))
def test_somebodys_code_that_raises_costs_its_member_alone(tmp_path, own):
    tables = {"device": {"engine": "eager"}, "grid": {"init.seed": "range(0, 2)"}, **OWN[own]}
    study = StoredStudy(finished_study(tmp_path, **tables))
    assert [outcome.status for outcome in study.outcomes()] == [
        MemberStatus.FINISHED,
        MemberStatus.FAILED,
    ] * 2
    failed = study.outcome(1)
    assert "too large to" in failed.reason
    assert failed.last_step == 20
    step, risk = study.series("log_risk")
    last = step <= (20 if own == "rule" else 19)
    assert np.isfinite(risk[[0, 2]]).all()
    assert np.isfinite(risk[1][last]).all()
    assert np.isnan(risk[1][~last]).all()
    alone = StoredStudy(
        finished_study(
            tmp_path / "alone",
            **tables | {"grid": {"init.seed": "range(0, 2)", "init.scale": [0.01]}},
        )
    )
    np.testing.assert_array_equal(study.theta(2), alone.theta(1))


def test_a_shard_of_which_nobody_is_left_is_done(tmp_path):
    grid = {"init.seed": [1], "init.scale": [0.3]}
    tables = {"device": {"engine": "eager"}, "grid": grid, **OWN["rule"]}
    study = StoredStudy(finished_study(tmp_path, **tables))
    (outcome,) = study.outcomes()
    assert (outcome.status, outcome.last_step) == (MemberStatus.FAILED, 20)
    assert "too large to go on" in outcome.reason
    assert np.isnan(outcome.last["log_risk"])


def test_a_member_that_diverges_or_cannot_be_made_costs_itself_alone(tmp_path, monkeypatch):
    from workbench.run import members

    first_theta = members.first_theta

    def made(init, structure):
        if init.seed == 1:
            raise ValueError("no start")
        return first_theta(init, structure)

    monkeypatch.setattr(members, "first_theta", made)
    grid = {"init.seed": "range(0, 2)", "init.scale": None, "train.lr": [0.005, 50.0]}
    study = StoredStudy(finished_study(tmp_path, grid=grid, train={"steps": 60, "lr": None}))
    found = {(o.settings["init.seed"], o.settings["train.lr"]): o for o in study.outcomes()}
    assert found[0, 0.005].status is MemberStatus.FINISHED
    assert found[0, 50.0].status is MemberStatus.DIVERGED
    assert "no longer a finite number" in found[0, 50.0].reason
    for rate in (0.005, 50.0):
        assert found[1, rate].status is MemberStatus.FAILED
        assert (found[1, rate].reason, found[1, rate].last_step) == ("ValueError: no start.", 0)
    assert np.isnan(study.last("rho")[found[1, 0.005].number])
    monkeypatch.undo()
    folder = study.folder
    for plan in study.plan.shards:
        run_shard(folder, plan.number)
    again = StoredStudy(folder).outcome(found[1, 0.005].number)
    assert again.status is MemberStatus.FINISHED
    small = [found[seed, 0.005].number for seed in (0, 1)]
    assert np.isfinite(StoredStudy(folder).last("rho")[small]).all()


def test_the_record_of_the_writer_is_read_back(tmp_path, finished):
    record = read_shard(shard_path(finished, 0))
    write_shard(tmp_path / "0000.h5", record)
    again = read_shard(tmp_path / "0000.h5", ("saddle", "series/rho"))
    assert again.member == {}
    assert set(again.series) == {"rho"}
    np.testing.assert_array_equal(again.series["rho"], record.series["rho"])
    np.testing.assert_array_equal(again.saddle["evidence"], record.saddle["evidence"])


@pytest.mark.full
def test_a_member_that_kills_its_process_costs_itself_alone(tmp_path):
    tables = {"device": {"engine": "eager"}, "grid": {"init.seed": "range(0, 2)"}, **OWN["rule"]}
    rule = {**OWN["rule"]["train"], "class": "tests.study.own_raising:Killing"}
    folder = study_folder(tmp_path, small_config(**tables | {"train": rule}))
    call = f"run_shard(Path({str(folder)!r}), 0)"
    script = f"from pathlib import Path; from workbench.study.shard import run_shard; {call}"
    killed = subprocess.run([sys.executable, "-c", script], env=dict(os.environ), check=False)
    assert killed.returncode == -9
    assert run_shard(folder, 0).members == {MemberStatus.FINISHED: 2, MemberStatus.FAILED: 2}
    study = StoredStudy(folder)
    for member in (1, 3):
        outcome = study.outcome(member)
        assert outcome.reason == "its own code ended the process it ran in, by signal SIGKILL."
        assert outcome.last_step == 20
    raised = StoredStudy(finished_study(tmp_path / "raised", **tables))
    for member in (0, 2):
        np.testing.assert_array_equal(study.theta(member), raised.theta(member))
    np.testing.assert_array_equal(study.series("log_risk")[1], raised.series("log_risk")[1])
