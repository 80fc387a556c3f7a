"""Studies whose shards are written with drawn numbers, not run: quick to make, and as large as wanted."""

from __future__ import annotations

import json

import numpy as np

from tests.study.made import small_config, study_folder
from workbench.record.shard_file import ShardRecord, write_shard
from workbench.study.folder import shard_path
from workbench.study.plan import read_plan

D, H = 2, 4
ATTRIBUTES = {
    "study_id": "small",
    "status": "done",
    "engine": "kernel",
    "device": "cpu",
    "dtype": "float64",
    "workbench": "0.1.0",
    "torch": "2",
    "host": "here",
}


def written_study(runs, *, without=(), name="20260101-120000-small-1a2b", records=20, **tables):
    """The small study with drawn records in every shard but `without`."""
    folder = study_folder(runs, small_config(**tables), name)
    plan = read_plan(folder)
    for shard in plan.shards:
        if shard.number not in without:
            settings = [plan.settings[k] for k in shard.members]
            record = drawn_record(shard.number, shard.members, settings, records=records)
            write_shard(shard_path(folder, shard.number), record)
    return folder


def drawn_record(number, members, settings, *, records=20, step=None, neurons=H):
    """A shard's record, the same for the same shard: saddles 0, 1 or 2 a member, rows by member and step."""
    rng = np.random.default_rng(number)
    m, h = len(members), neurons
    step = np.unique(np.geomspace(1, 400, records).round().astype(int)) if step is None else step
    t = len(step)
    count = rng.integers(0, 3, m)
    owner = np.repeat(np.array(members), count)
    s = len(owner)
    left = rng.random(s) < 0.7
    angle = rng.choice([0.3, 2.0], s)
    member = {
        "number": np.array(members),
        "status": rng.choice(["finished", "stalled", "diverged"], m, p=[0.8, 0.1, 0.1]),
        "reason": np.array(["it came apart" if k % 7 == 3 else "" for k in members]),
        "last_step": rng.integers(100, 400, m),
        "seconds": rng.random(m),
        "settings": np.array([json.dumps(each) for each in settings]),
    }
    series = {
        "step": step,
        "log_risk": rng.standard_normal((t, m)).cumsum(axis=0),
        "neuron_norm": rng.random((t, m, h)),
    }
    saddle = {
        "member": owner,
        "step": np.concatenate([np.arange(1, c + 1) * 50 for c in count] or [np.empty(0, int)]),
        "time": rng.random(s),
        "log_risk": rng.standard_normal(s),
        "verdict": np.full(s, "saddle"),
        "evidence": np.full(s, "N = 2 of 3"),
        "leaver": np.where(left, rng.integers(0, h, s), -1),
        "escape_step": np.where(left, 60.0 + 100.0 * rng.random(s), np.nan),
        "escape_time": np.where(left, rng.random(s), np.nan),
        "target": np.where(left, 0, -1),
        "target_value": np.where(left, 1.0 + angle, np.nan),
        "target_kind": np.where(left, "max", ""),
        "target_direction": np.where(
            left[:, None], np.stack([np.cos(angle), np.sin(angle)], axis=1), np.nan
        ).reshape(s, D),
        "neuron_target": rng.integers(-1, 2, (s, h)).astype(np.int16),
    }
    point = {
        "saddle": np.empty(0, int),
        "direction": np.empty((0, D)),
        "value": np.empty(0),
        "kind": np.empty(0, dtype=str),
    }
    last = {"log_risk": rng.standard_normal(m), "neuron_norm": rng.random((m, h))}
    end = {
        "separated_step": np.where(rng.random(m) < 0.5, 30.0, np.nan),
        "verdict": rng.choice(["saddle", "minimum", ""], m),
    }
    return ShardRecord(
        {**ATTRIBUTES, "shard": number},
        member=member,
        series=series,
        last=last,
        theta=rng.standard_normal((m, 2 * h)),
        saddle=saddle,
        point=point,
        end=end,
    )
