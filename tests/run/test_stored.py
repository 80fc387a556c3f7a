"""A stored run as one thing: states from checkpoints and records, the step size that was taken."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from cases import finished, small, stored_state

from workbench.errors import BadInput
from workbench.inspector.inspect import inspect_state
from workbench.record.checkpoint import list_checkpoints, load_checkpoint
from workbench.record.reader import RunReader
from workbench.run.session import Session
from workbench.run.step_size import step_size_taken
from workbench.run.stored import StoredRun
from workbench.tui.inspect.examined import StoredSubject
from workbench.tui.run.source import StoredSource

WIDE = ("record.theta=false", "checkpoint.every=50", "checkpoint.keep=50")
CHANGING = {
    "normalized": ("train.rule=normalized", "train.lr=0.05", "train.steps=90"),
    "loss-based": ("train.rule=loss-based", "train.lr=0.02", "train.steps=90"),
    "smoothness": (
        "train.rule=smoothness",
        "train.steps=90",
        "model={kind='deep-linear', width=3, depth=2}",
        "loss.reduction=mean",
    ),
    "momentum": (
        "train.rule=torch",
        "train.class=tests.own_parts:Momentum",
        "train.arguments={rate=2e-3, decay=0.5}",
        "train.steps=90",
    ),
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return finished(tmp_path_factory.mktemp("run")).folder


@pytest.fixture(scope="module", params=sorted(CHANGING))
def changing(request, tmp_path_factory):
    """A run whose rule changes its step size, closed."""
    return finished(tmp_path_factory.mktemp(request.param), *CHANGING[request.param])


def test_states_come_from_records_and_from_checkpoints_alike(run, tmp_path):
    wide = finished(tmp_path, *WIDE).folder
    with StoredRun(run) as recorded, StoredRun(wide) as kept:
        assert recorded.steps.tolist() == list(range(0, 601, 10))
        assert kept.steps.tolist() == list(range(0, 601, 50))[-len(kept.steps) :]
        assert kept.steps.tolist() == kept.checkpoints.tolist()
        assert recorded.last_step == kept.last_step == 600
        for step in (350, 600):
            assert recorded.theta(step).tobytes() == kept.theta(step).tobytes()
            assert recorded.time(step) == kept.time(step) == pytest.approx(5e-3 * step)
            assert recorded.time_log(step) == pytest.approx(np.log(5e-3 * step))
        assert recorded.time_log(0) == -np.inf


def test_the_nearest_states_are_named_where_there_is_none(run):
    with (
        StoredRun(run) as stored,
        pytest.raises(BadInput, match=r"step 123; the nearest: 110, 120, 130"),
    ):
        stored.theta(123)


def test_its_past_are_the_records_up_to_a_step(run):
    with StoredRun(run) as stored, RunReader(run) as reader:
        past = stored.past(255)
        assert past.step.tolist() == list(range(0, 251, 10))
        assert np.array_equal(past.scalar("log_risk"), reader.read("log_risk")[:26])
        assert not stored.past(-1).length


def test_it_is_opened_when_asked_and_closed_unless_it_was_given(run):
    stored = StoredRun(run)
    assert stored._opened is None
    assert stored.config.train.steps == 600
    assert stored.dataset.n == 12
    stored.close()
    assert stored._opened is None
    with RunReader(run) as reader:
        with StoredRun(run, reader) as given:
            assert given.steps.size
        assert reader.read("step").size == 61


def test_a_run_without_a_state_says_so(tmp_path):
    with Session.create(small(), tmp_path) as session, StoredRun(session.folder) as stored:
        assert not stored.steps.size
        with pytest.raises(BadInput, match="no state stored yet"):
            stored.state()


def test_a_look_goes_by_the_network_that_was_trained_whatever_config_toml_says(tmp_path):
    folder = finished(tmp_path, "train.steps=20").folder
    before = stored_state(folder)
    path = folder / "config.toml"
    path.write_text(path.read_text().replace("width = 6", "width = 7"))
    assert stored_state(folder).log_risk == before.log_risk
    with pytest.raises(BadInput, match=r"model\.width = 7.*begun with 6.*fork"):
        Session.resume(folder, steps=40)


def test_the_experiment_of_a_run_is_its_start_on_its_own_samples(run):
    with StoredRun(run) as stored:
        made = stored.experiment()
        assert np.array_equal(made.dataset.x, stored.dataset.x)
        assert made.state.theta.numpy().tobytes() == stored.theta(0).tobytes()
        other = stored.experiment(small("data.seed=4"))
        assert not np.array_equal(other.dataset.x, stored.dataset.x)


# --- the step size that was taken -------------------------------------------------------------------


def test_the_step_size_is_the_configured_one_where_no_rule_changes_it(run):
    with StoredRun(run) as stored:
        assert stored.step_size(0) == stored.step_size(333) == 5e-3
    assert stored_state(run, 300).learning_rate == 5e-3


def test_it_is_the_one_that_was_taken_where_a_rule_changes_it(changing):
    with StoredRun(changing.folder) as stored, RunReader(changing.folder) as reader:
        taken = np.exp(reader.read("learning_rate_log"))
        planned = stored.config.train.lr
        for row, step in enumerate(reader.read("step").tolist()):
            expected = taken[row] if row else taken[1]
            assert stored.step_size(step) == expected
            assert stored.step_size(step + 3) == expected
            assert expected != planned
            assert stored.state(step, trust=True).learning_rate == expected


def test_it_is_what_a_state_was_stepped_by(tmp_path):
    """θ(t + 1) = θ(t) − η ∇𝓛(θ(t)), of a rule that normalizes."""
    folder = finished(tmp_path, *CHANGING["normalized"], "record.every=1").folder
    with StoredRun(folder) as stored:
        network = stored.network()
        for step in (1, 40, 90):
            before, after = (stored.state(s, network=network) for s in (step - 1, step))
            gradient = before.gradient * np.exp(before.gradient_log_scale)
            moved = before.theta - after.learning_rate * gradient
            np.testing.assert_allclose(moved, after.theta, rtol=1e-12, atol=1e-15)


def test_command_and_screens_forecast_in_the_steps_that_are_taken(changing):
    """The command, the replay's inspector and the live one see one step size, and count in it."""
    state = stored_state(changing.folder, 90, trust=True)
    assert changing.inspected_state().learning_rate == state.learning_rate
    source = StoredSource(changing.folder)
    source.prepare()
    shown = StoredSubject(source, source.history.nearest(90)).state()
    source.close()
    assert shown.learning_rate == state.learning_rate != changing.config.train.lr
    for neuron in inspect_state(shown).forecast.neurons:
        if neuron.escape_time is not None:
            assert neuron.escape_steps == pytest.approx(neuron.escape_time / state.learning_rate)


@pytest.mark.parametrize(
    ("rates", "at", "expected"),
    [
        ([np.nan, 0.0, 1.0], 20, np.e),
        ([np.nan, 0.0, 1.0], 99, np.e),
        ([np.nan, 0.0, 1.0], 19, 1.0),
        ([np.nan, 0.0, 1.0], 0, 1.0),
        ([np.nan, np.nan, np.nan], 20, None),
        ([np.nan, -np.inf, 1.0], 10, None),
        ([np.nan, 0.0, np.inf], 20, None),
        ([np.nan, 0.0, 1.0], -1, None),
    ],
)
def test_the_record_at_or_before_a_step_counts(rates, at, expected):
    assert step_size_taken(np.array([0, 10, 20]), np.array(rates), at) == expected


# --- looking leaves the process as it was -----------------------------------------------------------


def test_looking_leaves_torchs_threads_alone_and_training_sets_them(tmp_path):
    before = torch.get_num_threads()
    wanted = before + 1
    try:
        session = Session.create(small(f"device.threads={wanted}"), tmp_path)
        assert torch.get_num_threads() == before
        session.start()
        assert torch.get_num_threads() == wanted
        assert session.wait(60)
        session.close()
        torch.set_num_threads(before)
        source = StoredSource(session.folder)
        source.prepare()
        assert source.moment(3).step == 30
        StoredSubject(source, 3).state()
        source.close()
        stored_state(session.folder)
        with StoredRun(session.folder) as stored:
            stored.experiment()
        assert torch.get_num_threads() == before
    finally:
        torch.set_num_threads(before)


def test_the_last_checkpoint_read_is_kept(run, monkeypatch):
    opened = []
    monkeypatch.setattr(
        "workbench.run.stored.load_checkpoint",
        lambda path: opened.append(path) or load_checkpoint(path),
    )
    with StoredRun(run) as stored:
        stored.state(600)
    assert opened == [list_checkpoints(run)[-1][1]]
