"""`workbench robustness`: text, JSON, what is kept, the figure, refusals in one sentence."""

from __future__ import annotations

import json

import numpy as np
import pytest
from cases import finished

from workbench.config.toml import parse_config
from workbench.errors import StorageError
from workbench.record.robustness_file import FILE, keep_robustness, kept_robustness
from workbench.run.session import Session

CLASSIFIES = {
    "data": {"kind": "gaussian-separable", "n": 12, "d": 2, "margin": 0.3},
    "model": {"kind": "two-layer-relu", "width": 4},
    "init": {"kind": "he"},
    "loss": {"kind": "logistic"},
    "train": {"rule": "normalized", "steps": 120},
    "device": {"kind": "cpu"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    with Session.create(
        parse_config(CLASSIFIES, "test"), tmp_path_factory.mktemp("robust")
    ) as session:
        session.start()
        assert session.wait(60)
    return session.folder


def test_text_json_and_the_figure(cli, folder, tmp_path):
    done = cli("robustness", folder, "--samples", "5", "--at", "60")
    assert (done.returncode, done.stderr) == (0, "")
    for text in (
        "step 60",
        "5 samples",
        "attack (at most)",
        "certified (at least)",
        "radius",
        "distances are exact",
    ):
        assert text in done.stdout
    found = json.loads(cli("robustness", folder, "--json").stdout)
    assert found["run"] == folder.name
    assert found["step"] == 120
    assert found["box"] is None
    assert found["exact"] == [d is not None for d in found["attack"]]
    assert len(found["samples"]) == len(found["attack"]) == 12
    # null: no adversarial example was found.
    attack = [np.inf if d is None else d for d in found["attack"]]
    assert np.all(np.array(found["bound"]) <= np.array(attack))
    assert np.all(np.array(found["certified_accuracy"]) <= np.array(found["accuracy"]))
    assert [state.step for state in kept_robustness(folder)] == [60, 120]
    target = tmp_path / "robust.png"
    done = cli("plot", folder, "--figure", "robustness", "-o", target)
    assert (done.returncode, done.stderr) == (0, "")
    assert target.read_bytes().startswith(b"\x89PNG")


def test_refusals_are_sentences(cli, folder, tmp_path):
    regression = finished(
        tmp_path, "loss.kind=square", "data.kind=kh24-circle", "train.steps=20"
    ).folder
    done = cli("robustness", regression)
    assert done.returncode == 2
    assert "does not classify; allowed are labels −1 and 1" in done.stderr
    done = cli("plot", regression, "--figure", "robustness", "-o", tmp_path / "x.png")
    assert done.returncode == 2
    assert "nothing is measured yet" in done.stderr
    done = cli("robustness", folder, "--at", "soon")
    assert done.returncode == 2
    assert "is no step; allowed: a whole number" in done.stderr
    assert cli("robustness", folder, "--samples", "0").returncode == 2


ENTRY = {
    "step": 3,
    "log10_risk": None,
    "samples": [0, 1],
    "radii": [0.0, 1.0],
    "accuracy": [1.0, 0.5],
    "certified_accuracy": None,
}


def test_entries_of_a_step_replace_each_other(tmp_path):
    keep_robustness(tmp_path, {**ENTRY, "step": 7})
    keep_robustness(tmp_path, ENTRY)
    keep_robustness(tmp_path, {**ENTRY, "accuracy": [1.0, 0.25]})
    first, second = kept_robustness(tmp_path)
    assert (first.step, second.step) == (3, 7)
    assert first.accuracy.tolist() == [1.0, 0.25]
    assert first.certified is None
    assert np.isnan(first.log10_risk)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"states": [1]}', '{"states": [{"step": 1}]}', "[" * 100_000,
     json.dumps({"states": [{**ENTRY, "accuracy": [1.0]}]}),
     json.dumps({"states": [{**ENTRY, "radii": "x\x1b[2J"}]})],
)  # fmt: skip
def test_damaged_files_are_named(tmp_path, text):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(StorageError, match="holds no robust accuracies") as caught:
        kept_robustness(tmp_path)
    assert "\x1b" not in str(caught.value)


def test_a_number_changed_in_the_file_is_noticed(tmp_path):
    keep_robustness(tmp_path, ENTRY)
    path = tmp_path / FILE
    text = path.read_text()
    for old, new in (("0.5", "0.75"), ('"step": 3', '"step": 4')):
        path.write_text(text.replace(old, new, 1))
        with pytest.raises(StorageError, match="its checksum does not hold"):
            kept_robustness(tmp_path)
    document = json.loads(text)
    del document["crc32"]
    path.write_text(json.dumps(document))
    assert len(kept_robustness(tmp_path)) == 1, "files of before it have none"
