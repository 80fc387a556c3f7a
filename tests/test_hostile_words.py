"""What a configuration can ask for that nothing could give: refused in a sentence that names the key."""

from __future__ import annotations

import resource
import time
from pathlib import Path

import pytest
from data.mutate import tried

from workbench.config.toml import override, parse_config, parse_toml, read_toml
from workbench.data.load import load_dataset
from workbench.errors import BadInput, StorageError, WorkbenchError
from workbench.run.experiment import evaluated_start, experiment_of

BASE = {"data": {"kind": "kh24-circle"}, "model": {"kind": "squared-relu"}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = " + "[" * 5_000, "nested more than 32 levels"),
        ("x = " + "[" * 40 + "]" * 40, "nested more than 32 levels"),
        ("x = " + "{a = " * 5_000, "nested more than 32 levels"),
        ("a." * 100_000 + "b = 1", "nested more than 32 levels"),
        ("[" + "a." * 100_000 + "b]", "nested more than 32 levels"),
        ("[" + "a." * 40 + "b]\nc = 1", "nested more than 32 levels"),
        ("x = " + "9" * 5_000, "thousands of digits"),
        ("[train]\nsteps = 0x" + "f" * 5_000, r"train\.steps is a whole number of more than 64"),
        ("[train]\nsteps = 9223372036854775808", r"train\.steps is a whole number of more than 64"),
        ("x = '\x1b[2J'", "not valid TOML"),
        ("x = 1979-13-45", "not valid TOML"),
    ],
)
def test_toml_that_no_parser_likes(text, said):
    began = time.monotonic()
    with pytest.raises(BadInput, match=f"run.toml.*{said}") as caught:
        parse_toml(text, "run.toml")
    assert str(caught.value).isprintable()
    assert time.monotonic() - began < 5.0


def test_numbers_in_lists_with_many_points_are_no_deep_keys():
    row = "[" + ", ".join(["0.5"] * 500) + "]"
    assert len(parse_toml(f"x = [\n{row},\n{row}\n]", "t")["x"]) == 2


def test_settings_are_looked_at_as_files_are():
    for value in ("[" * 5_000, "9" * 5_000, "{a = " * 5_000):
        with pytest.raises(BadInput, match="the setting '"):
            override(BASE, [f"train.steps={value}"])


def test_a_configuration_of_any_size_ends(tmp_path):
    with pytest.raises(BadInput, match="more than 8 MiB"):
        read_toml(Path("/dev/zero"))
    (tmp_path / "a.toml").write_bytes(b"\xff\xfe x")
    with pytest.raises(BadInput, match=r"cannot read .*a\.toml"):
        read_toml(tmp_path / "a.toml")


@pytest.mark.parametrize("path", ["~nobody-here/x", "a\\u0000b", "x" * 5_000])
def test_paths_beside_a_file_that_can_be_none(tmp_path, path):
    (tmp_path / "a.toml").write_text(f'[init]\nkind = "file"\npath = "{path}"\n')
    with pytest.raises(BadInput, match=r"init\.path: .* is no path here") as caught:
        read_toml(tmp_path / "a.toml")
    assert str(caught.value).isprintable()


LARGE = [
    (["model.width=99999999"], "model.width = 99999999"),
    (["model.kind=deep-linear", "model.depth=100000"], "model.depth = 100000"),
    (["model.kind=deep-linear", f"model.widths={[2] * 300}"], "model.widths"),
    (["model.kind=residual", "model.blocks=100000"], "model.blocks = 100000"),
    (["data.n=99999999"], "data.n = 99999999"),
    (["data.offset=inf"], "data.offset = inf"),
    (["data.kind=gaussian-separable", "data.n=100000", "data.d=100000"], "n = 100,000 times d"),
    (["data.kind=jt20-planar", "data.n=1000000", "data.width=1000"], "n = 1,000,000 times width"),
    (["data.kind=jt20-planar", "data.width=100000"], "data.width = 100000"),
]


@pytest.mark.parametrize(("settings", "said"), LARGE)
def test_sizes_out_of_reach_are_named(settings, said):
    with pytest.raises(BadInput) as caught:
        parse_config(override(BASE, settings), "--set")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [
        ["model.width=10000000", "data.kind=gaussian-separable", "data.n=20", "data.d=20"],
        ["model.kind=deep-relu", "model.widths=[100000, 100000]"],
        ["model.kind=two-trainable-relu", "model.widths=[100000, 100000]"],
        ["model.kind=ntk", 'model.base={kind = "deep-relu", widths = [100000, 100000]}'],
    ],
)
def test_networks_of_too_many_weights_are_refused_before_there_is_room_for_them(settings):
    config = parse_config(override(BASE, settings), "--set")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BadInput, match=r"weights and more; at most 134,217,728 .*model\.width"):
        experiment_of(config)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000


SAMPLES = ["data.kind=gaussian-separable", "data.n=1000000", "data.d=60"]


def test_memory_that_ends_is_a_sentence_with_the_largest_keys(tmp_path):
    def attempt(number):
        settings = SAMPLES if number else ["model.width=5000000"]
        try:
            evaluated_start(experiment_of(parse_config(override(BASE, settings), "--set")))
        except BadInput as error:
            (tmp_path / str(number)).write_text(str(error))
            raise

    assert tried(attempt, range(2), seconds=60.0, room=1 << 28).counts == {"refused": 2}
    assert "largest numbers are model.width = 5,000,000" in (tmp_path / "0").read_text()
    assert "data.n = 1,000,000 and data.d = 60" in (tmp_path / "1").read_text()


def test_weights_whose_products_overflow_are_refused_at_the_start():
    table = {
        "data": {"kind": "two-circles", "n": 12},
        "model": {"kind": "deep-linear", "width": 3, "depth": 3},
        "init": {"kind": "balanced", "scale": 1e308},
        "loss": {"kind": "logistic"},
    }
    with pytest.raises(BadInput, match="not finite for 12 of 12 samples"):
        evaluated_start(experiment_of(parse_config(table, "t")))


def test_hopeless_margins_end():
    for table in (
        {"kind": "gaussian-separable", "n": 100_000, "d": 100, "margin": 9.0},
        {"kind": "jt20-planar", "n": 100_000, "margin": 9.0},
    ):
        config = parse_config(BASE | {"data": table}, "t")
        began = time.monotonic()
        with pytest.raises(BadInput, match=r"data\.margin"):
            load_dataset(config.data)
        assert time.monotonic() - began < 60.0


def test_no_sentence_writes_on_the_terminal():
    for kind in (BadInput, StorageError, WorkbenchError):
        assert str(kind("a\x1b[2J\x07b\x9b1mc\u202ed\nθ → 0")) == "a [2J b 1mc d θ → 0"
        assert len(str(kind("x" * 10_000))) == 2_000
