"""Lines between trainers and viewers: what is said comes back the same, and nothing else is taken."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

from workbench.protocol.commands import Checkpoint, Pause, Perturb, Resume, RunUntil, StepN, Stop
from workbench.protocol.status import RunStatus
from workbench.protocol.wire import (
    LONGEST_COMMAND,
    LONGEST_TOLD,
    MOST_PARAMETERS,
    Answer,
    Bye,
    State,
    WireError,
    command_line,
    read_command,
    read_told,
    told_line,
)

COMMANDS = [
    Pause(),
    Resume(),
    StepN(100),
    RunUntil(step=20_000),
    RunUntil(log10_risk=-400.5),
    RunUntil(next_saddle=True),
    Checkpoint(),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_arrives_as_it_was_given(command):
    line = command_line(7, command)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert read_command(line) == (7, command)


def test_a_stop_says_that_a_viewer_asked():
    assert read_command(command_line(1, Stop())) == (1, Stop("asked by a viewer"))


def test_what_needs_the_state_is_not_for_others():
    with pytest.raises(WireError, match="trained on this screen"):
        command_line(1, Perturb(np.zeros(3), "pushed"))


def test_a_state_arrives_to_the_last_bit():
    theta = np.array([0.1, -1e-308, np.inf, np.nan, 1 / 3])
    values = {"log_risk": -np.inf, "q_min": 0.1, "margin_multi": np.nan}
    line = told_line(State(5, 9, RunStatus.PAUSED, 1.5, None, "waits", values, theta, 4))
    found = read_told(line)
    json.loads(line, parse_constant=pytest.fail)
    assert isinstance(found, State)
    assert found.theta is not None
    assert found.theta.tobytes() == theta.tobytes()
    assert (found.step, found.steps, found.status, found.theta_step) == (5, 9, "paused", 4)
    assert found.values["log_risk"] == -np.inf
    assert found.values["q_min"] == 0.1
    assert np.isnan(found.values["margin_multi"])
    assert found.eta_seconds is None


def test_a_long_theta_is_left_out_and_the_longest_fits():
    longest = State(0, 1, RunStatus.RUNNING, theta=np.full(MOST_PARAMETERS, 1 / 3))
    assert len(told_line(longest)) < LONGEST_TOLD
    longer = State(0, 1, RunStatus.RUNNING, theta=np.zeros(MOST_PARAMETERS + 1))
    found = read_told(told_line(longer))
    assert isinstance(found, State)
    assert found.theta is None


@pytest.mark.parametrize("told", [Answer(3), Answer(3, "no room."), Bye("done.")])
def test_answers_arrive(told):
    assert read_told(told_line(told)) == told


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"[1]", "no JSON object"),
        (b"[" * 4000, "no JSON object"),
        (b'{"v": 1, "id": NaN, "command": "pause"}', "no JSON"),
        (b'{"v": 2, "id": 1, "command": "pause"}', "speaks version 2"),
        (b'{"id": 1, "command": "pause"}', "speaks version None"),
        (b'{"v": true, "id": 1, "command": "pause"}', "speaks version True"),
        (b'{"v": 1, "id": -1, "command": "pause"}', "'id' must be"),
        (b'{"v": 1, "id": 1, "command": "delete"}', "unknown command 'delete'"),
        (b'{"v": 1, "id": 1, "command": ["pause"]}', "unknown command"),
        (b'{"v": 1, "id": 1, "command": "step", "n": 0}', "'n' must be"),
        (b'{"v": 1, "id": 1, "command": "step", "n": 1e3}', "'n' must be"),
        (b'{"v": 1, "id": 1, "command": "until"}', "takes one of"),
        (b'{"v": 1, "id": 1, "command": "until", "step": 3, "next_saddle": true}', "takes one of"),
        (b'{"v": 1, "id": 1, "command": "until", "log10_risk": 1e999}', "takes one of"),
        (b'{"v": 1, "id": 1, "command": "\\u001b[2J"}', "unknown command ' \\[2J'"),
        (b'{"v": 1, "x": "' + b"a" * LONGEST_COMMAND + b'"}', "longer than"),
    ],
)
def test_other_commands_are_refused_in_a_sentence(line, said):
    with pytest.raises(WireError, match=said):
        read_command(line)


@pytest.mark.parametrize(
    "changed",
    [
        {"theta": "AAAA"},
        {"theta": "no base 64"},
        {"theta": ""},
        {"values": [1]},
        {"values": {"a": "b"}},
        {"values": {"a": 10**400}},
        {"values": {str(k): 0 for k in range(300)}},
        {"step": 1.5},
        {"rate": None},
        {"status": 3},
        {"kind": "order"},
    ],
)
def test_other_states_are_refused_in_a_sentence(changed):
    said = json.loads(told_line(State(1, 2, RunStatus.RUNNING)))
    with pytest.raises(WireError):
        read_told(json.dumps(said | changed).encode())


def test_damaged_lines_raise_nothing_else():
    chance = random.Random(5)
    lines = [command_line(9, command) for command in COMMANDS]
    lines += [told_line(State(1, 2, RunStatus.RUNNING, theta=np.arange(4.0))), told_line(Bye("x"))]
    read, refused = 0, []
    for _ in range(4000):
        line = bytearray(chance.choice(lines))
        for _ in range(chance.randint(1, 4)):
            line[chance.randrange(len(line))] = chance.randrange(256)
        for reader in (read_command, read_told):
            try:
                reader(bytes(line))
                read += 1
            except WireError as error:
                refused.append(str(error))
    assert read < len(refused)
    assert "".join(refused).isprintable()
