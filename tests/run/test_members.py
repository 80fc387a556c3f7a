"""Members of a configuration: each is the run of its own, to the last bit where compiled code steps them."""

from __future__ import annotations

import numpy as np
import pytest
from cases import small

from workbench.config.toml import override, parse_config
from workbench.engine.program import StopFlag
from workbench.engine.programs.captured.members import CapturedMembers
from workbench.engine.programs.members.each import EachMember
from workbench.engine.programs.members.stacked import StackedEager
from workbench.errors import BadInput
from workbench.record.reader import RunReader
from workbench.run.member_program import member_program
from workbench.run.member_run import MemberRun, run_members
from workbench.run.members import members_of
from workbench.run.session import Session

SERIES = (
    "log_risk",
    "rho",
    "grad_norm_log",
    "path_length",
    "margin_normalized",
    "layer_norm",
    "neuron_norm",
    "theta",
)
SEEDS = [
    {"init.seed": k, "init.scale": 0.1 * (k + 1), "train.lr": 0.01 * (k + 1)} for k in range(4)
]
RULES = {
    "constant": (),
    "batch": ("train.batch=5",),
    "normalized": ("train.rule=normalized", "train.max_update=0.05"),
    "normalized-batch": ("train.rule=normalized", "train.batch=5", "loss.reduction=mean"),
    "loss-based": ("train.rule=loss-based",),
    "loss-based-batch": ("train.rule=loss-based", "train.batch=5"),
}
STEPS = ("train.steps=210", "record.every=10", "checkpoint.every=70")


def run_of(config, changes, folder):
    """The series of the run that a member is, by name."""
    values = config.model_dump(by_alias=True, exclude_none=True)
    for key, value in changes.items():
        section, name = key.split(".")
        values[section] = {**values[section], name: value}
    with Session.create(parse_config(values, "test"), folder) as session:
        session.start()
        assert session.wait(120)
        assert session.engine.error is None
    with RunReader(session.folder) as reader:
        found = {name: np.asarray(reader.read(name)) for name in reader.series_names()}
    return found, session.engine.status


def require_same_bits(found, k, wanted, status):
    """A member's records are those of a run, its last one included."""
    rows = len(wanted["step"])
    np.testing.assert_array_equal(found.step[:rows], wanted["step"][: len(found.step)])
    assert found.last_step[k] == wanted["step"][-1]
    assert found.status[k] is status
    for name in found.series:
        mine, there = found.series[name][:, k], wanted[name]
        common = min(len(mine), rows)
        np.testing.assert_array_equal(mine[:common], there[:common], err_msg=f"{k} {name}")
        assert np.isnan(mine[common:]).all()
        np.testing.assert_array_equal(found.last[name][k], there[-1], err_msg=f"{k} {name}")


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("rule", sorted(RULES))
def test_a_member_that_compiled_code_steps_is_its_run(tmp_path, rule, threads):
    config = small(*STEPS, *RULES[rule], f"device.threads={threads}")
    found = run_members(config, SEEDS, series=SERIES)
    for k in {0, len(SEEDS) - 1}:
        require_same_bits(found, k, *run_of(config, SEEDS[k], tmp_path))


@pytest.mark.parametrize("every", [7, "log"])
def test_other_records(tmp_path, every):
    config = small(*STEPS, f"record.every={every}")
    found = run_members(config, SEEDS, series=SERIES)
    require_same_bits(found, 2, *run_of(config, SEEDS[2], tmp_path))


def test_samples_and_fixed_signs_may_differ(tmp_path):
    config = small(*STEPS, "model.kind=squared-relu", "model.width=6", "model.signs=random")
    changes = [{"init.seed": k, "data.seed": 7 + k} for k in range(3)]
    found = run_members(config, changes, series=("log_risk", "margin_normalized", "theta"))
    for k, change in enumerate(changes):
        require_same_bits(found, k, *run_of(config, change, tmp_path))


def test_what_looks_back_at_a_start_is_measured_for_each_member(tmp_path):
    config = small(
        *STEPS,
        "model.kind=deep-linear",
        "model.widths=[4,3]",
        "train.rule=smoothness",
        "loss.reduction=mean",
        "device.threads=2",
    )
    changes = [{"init.seed": k, "data.seed": 3 + k} for k in range(3)]
    names = ("balance_drift", "layer_rank1_slack", "svm_alignment", "log_risk")
    found = run_members(config, changes, series=names)
    for k, change in enumerate(changes):
        require_same_bits(found, k, *run_of(config, change, tmp_path))


@pytest.mark.parametrize(
    "settings",
    [
        ("train.rule=flow", "train.steps=60", "train.rtol=1e-4"),
        ("train.rule=torch", "train.class=own_parts:Momentum"),
        ("train.rule=momentum", "train.batch=5"),
        ("train.rule=adam", "train.epsilon=0"),
        ("train.rule=muon", "train.batch=5"),
        ("train.rule=coordinate", "train.normalized=false"),
        *(
            ("model.kind=torch", f"model.class=tests.models.own_modules:{name}")
            for name in ("Dropping", "Counting", "Deciding")
        ),
    ],
)
def test_members_that_are_stepped_one_by_one_are_their_runs(tmp_path, settings):
    config = small(*STEPS, *settings)
    block = members_of(config, SEEDS)
    assert type(block.program) is EachMember
    found = run_members(config, SEEDS, series=("log_risk", "theta"))
    require_same_bits(found, 1, *run_of(config, SEEDS[1], tmp_path))


def test_a_member_that_autograd_steps_is_its_run_up_to_rounding(tmp_path):
    config = small(*STEPS, "device.engine=eager")
    assert type(members_of(config, SEEDS).program) is StackedEager
    found = run_members(config, SEEDS, series=SERIES)
    for k in range(len(SEEDS)):
        wanted, _ = run_of(config, SEEDS[k], tmp_path)
        for name in SERIES:
            np.testing.assert_allclose(
                found.series[name][:, k], wanted[name], rtol=1e-9, atol=1e-12
            )


def test_on_a_gpu_all_are_inside_one_graph(monkeypatch):
    config = small(*STEPS, "train.batch=5", "model.kind=squared-relu", "model.signs=random")
    block = members_of(config, SEEDS)
    # No GPU is needed for what steps them to be made.
    monkeypatch.setattr(type(block.first.program), "name", "captured")
    found = member_program(block.first, block.networks, block.members.theta)
    assert type(found) is CapturedMembers
    assert found.count == len(SEEDS)
    assert [batches.seed for batches in found.batches] == [0, 1, 2, 3]
    assert [rule.learning_rate for rule in found.rules] == [0.01, 0.02, 0.03, 0.04]
    assert set(found.fixed) == {"signs"}
    assert found.fixed["signs"].shape[0] == len(SEEDS)


def test_one_that_diverges_rests_where_its_run_ends_and_the_others_go_on(tmp_path):
    config = small(*STEPS, "loss.kind=square", "model.kind=squared-relu", "model.width=6")
    changes = [{"train.lr": 1e-3}, {"train.lr": 5.0}, {"train.lr": 2e-3}]
    found = run_members(config, changes, series=("log_risk", "theta", "rho"))
    assert [str(s) for s in found.status] == ["finished", "diverged", "finished"]
    wanted, status = run_of(config, changes[1], tmp_path)
    assert status is found.status[1]
    rows = len(wanted["step"])
    assert found.last_step[1] == wanted["step"][-1] < 210
    np.testing.assert_array_equal(found.series["log_risk"][:rows, 1], wanted["log_risk"])
    assert np.isnan(found.series["log_risk"][rows:, 1]).all()
    require_same_bits(found, 2, *run_of(config, changes[2], tmp_path))


def test_where_all_have_diverged_nothing_depends_on_how_long_a_chunk_was():
    config = small(*STEPS, "loss.kind=square", "model.kind=squared-relu", "model.width=6")
    config = parse_config(
        override(config.model_dump(exclude_none=True), ["train.steps=100000"]), ""
    )
    found = run_members(config, [{"train.lr": 5.0}, {"train.lr": 9.0}])
    assert found.last_step.max() < 1000
    assert found.step[-1] == found.last_step.max()
    assert len(found.series["log_risk"]) == len(found.step)


@pytest.mark.parametrize("engine", ["kernel", "eager"])
@pytest.mark.parametrize("rule", ["batch", "loss-based"])
def test_stopping_and_going_on_changes_no_bit(engine, rule):
    config = small(*STEPS, *RULES[rule], f"device.engine={engine}")
    whole = run_members(config, SEEDS, series=SERIES)
    kept: list = []
    flag = StopFlag()

    def stop(step: int, going: int) -> None:
        flag.raised = step >= 100

    first = run_members(
        config, SEEDS, series=SERIES, progress=stop, stop_flag=flag, checkpoint=kept.append
    )
    assert 100 <= first.last_step[0] < 210
    assert [str(s) for s in first.status] == ["running"] * 4
    for arrays in kept:
        again = run_members(config, SEEDS, series=SERIES, kept=arrays)
        np.testing.assert_array_equal(again.step, whole.step)
        np.testing.assert_array_equal(again.theta, whole.theta)
        for name in SERIES:
            np.testing.assert_array_equal(again.series[name], whole.series[name])
            np.testing.assert_array_equal(again.last[name], whole.last[name])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            [{}, {"model.width": 7}],
            r"member 1: model\.width is 7, and 6 for member 0; members may differ",
        ),
        ([{}, {"data.n": 13}], r"member 1: data gives inputs of shape \(13, 2\), and \(12, 2\)"),
        ([{}, {"train.rule": "normalized"}], r"member 1: train\.rule is 'normalized'"),
        ([{}, {"train.steps": 7}], r"member 1: train\.steps is 7"),
        ([{}, {}, {"init.kind": "he"}], r"member 2: init\.kind is 'he', and 'gaussian'"),
        ([{"init.sed": 1}], r"member 0: unknown key 'sed' .* Did you mean 'init.seed'"),
        ([{"init.seed.deeper": 1}], r"member 0: 'seed' in 'init\.seed\.deeper' is not a table"),
        ([], "at least one"),
    ],
)
def test_what_may_not_differ_is_refused_by_its_key(changes, words):
    with pytest.raises(BadInput, match=words):
        members_of(small(), changes)


def test_series_that_a_run_has_not_are_refused_with_the_nearest():
    with pytest.raises(BadInput, match=r"log_rsik.*log_risk"):
        run_members(small(), [{}], series=("log_rsik",))


def test_the_records_of_others_are_not_gone_on_with():
    run = MemberRun(members_of(small(), SEEDS), ("log_risk",))
    with pytest.raises(BadInput, match="series rho, and asked for are log_risk"):
        run.load(MemberRun(members_of(small(), SEEDS), ("rho",)).to_arrays())
    with pytest.raises(BadInput, match="not of these members"):
        run.load(MemberRun(members_of(small(), SEEDS[:2])).to_arrays())


def test_gradients_are_kept_only_where_a_series_needs_them():
    block = members_of(small(), SEEDS)
    assert MemberRun(block, ("log_risk", "margin_normalized")).buffer.gradient is None
    assert MemberRun(block, ("alignment",)).buffer.gradient is not None
