"""The captured engine on a GPU: first whether it is right, then how many steps a second it takes.

    python benchmarks/gpu.py [--minutes 8] [--members 1 100 10000]

First every rule and loss in both precisions is held against the eager engine on the CPU, members against
single runs, a resumed run against a whole one bit by bit, and a chunk is seen to wait for no number. What is
wrong ends the script with exit code 1. Then member-steps a second of a plain loop, the eager engine and the
captured one on the GPU, and of what `device.engine = "auto"` takes on one core of the CPU.

Without a GPU the same checks run on the CPU, where the captured engine is not recorded; `--table` then shows
that the script runs, and nothing of a GPU.
"""

from __future__ import annotations

import argparse
import copy
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from workloads import table_of

from workbench.config.toml import override, parse_config
from workbench.engine.engine import BUFFER_BYTES
from workbench.engine.member_rows import MemberBuffer
from workbench.engine.members import Members
from workbench.engine.program import RowBuffer, StopFlag
from workbench.engine.programs.captured.host_reads import host_reads
from workbench.engine.programs.captured.members import CapturedMembers
from workbench.engine.programs.captured.program import CapturedProgram
from workbench.engine.programs.captured.stepper import Stepper
from workbench.engine.programs.members.stacked import StackedEager
from workbench.engine.rules.members.choose import member_rule
from workbench.run.device import set_precision
from workbench.run.experiment import Experiment, experiment_of

BINARY = {
    "data": {"kind": "gaussian-separable", "n": 24, "d": 3, "seed": 3},
    "model": {"kind": "two-layer-relu", "width": 8},
    "init": {"kind": "gaussian", "scale": 0.4, "seed": 1},
    "loss": {"kind": "logistic"},
    "train": {"lr": 5e-3, "steps": 10**9},
    "device": {"kind": "cpu", "engine": "eager"},
}
LINEAR = {**BINARY, "model": {"kind": "deep-linear", "widths": [4, 4]},
          "loss": {"kind": "logistic", "reduction": "mean"}}  # fmt: skip
CIRCLE = {**BINARY, "data": {"kind": "kh24-circle", "n": 20},
          "model": {"kind": "squared-relu", "width": 6}, "loss": {"kind": "square"}}  # fmt: skip
PICTURES = {
    **BINARY,
    "data": {"kind": "digits", "n": 1000},
    "model": {"kind": "cnn", "channels": [8, 16], "width": 32},
    "init": {"kind": "he"},
    "loss": {"kind": "cross-entropy", "reduction": "mean"},
    "train": {"lr": 0.05, "batch": 100, "steps": 10**9},
}
RULES = {
    "constant": (),
    "normalized": ("train.rule=normalized", "train.lr=0.1"),
    "loss-based": ("train.rule=loss-based", "train.lr=0.1"),
    "sign": ("train.rule=sign", "train.lr=1e-2"),
    "coordinate": ("train.rule=coordinate", "train.lr=1e-2"),
}
LOSSES = ("logistic", "exponential", "logistic-cubed", "exponential-cubed")
ALLOWED = {"float64": 1e-9, "float32": 5e-3}
"""Largest difference in θ at the end, relative to its largest number: sums are in another order."""
STEPS = {"loss-based": 30, "sign": 12, "coordinate": 12}
"""60 where not named: a decision between two equals may fall otherwise, and steps are others then."""
SECONDS = 3.0
"""For each number of the table."""


def built(base: dict[str, Any], *settings: str, device: str = "cpu", seed: int = 1) -> Experiment:
    """A run on that device, stepped by the eager engine."""
    given = [*settings, f"device.kind={device}", f"init.seed={seed}", "device.engine=eager"]
    return experiment_of(parse_config(override(base, given), "benchmark"))


def captured(base: dict[str, Any], *settings: str, device: str, seed: int = 1) -> Experiment:
    """The same run stepped by the captured engine."""
    found = built(base, *settings, device=device, seed=seed)
    made: Any = found.program
    return replace(
        found,
        program=CapturedProgram(
            made.model,
            made.x,
            made.y,
            loss=made.loss,
            reduction=made.reduction,
            rule=made.rule,
            batches=made.batches,
        ),
    )


def members_of(
    base: dict[str, Any], count: int, device: str, *, eager: bool = False, alike: bool = False
) -> tuple[Members, Any]:
    """Runs of as many seeds as members; `alike`: of one seed, θ drawn anew for each."""
    found = [built(base, device=device, seed=k) for k in range(1 if alike else count)]
    programs: list[Any] = [e.program for e in found] * (count if alike else 1)
    theta = torch.stack([e.state.theta for e in found])
    if alike:
        generator = torch.Generator().manual_seed(0)
        spread = torch.randn(count, theta.shape[1], generator=generator, dtype=torch.float64)
        theta = theta * (1.0 + 0.01 * spread).to(theta)
    first = programs[0]
    batches = None if first.batches is None else [p.batches for p in programs]
    shared: dict[str, Any] = {"loss": first.loss, "reduction": first.reduction, "batches": batches}
    rules = [p.rule for p in programs]
    kind: Callable[..., Any] = CapturedMembers
    if eager:
        shared |= {"count": count, "rule": member_rule(rules)}
        kind = StackedEager
    else:
        shared["rules"] = rules
    fixed = {
        name: torch.stack([dict(p.model.named_buffers())[name] for p in programs])
        for name, _ in first.model.named_buffers()
    }
    return Members(theta.contiguous()), kind(first.model, first.x, first.y, fixed=fixed, **shared)


# --- whether it is right ---


def apart(found: Tensor, wanted: Tensor) -> float:
    """The largest difference relative to the largest number."""
    a, b = (t.detach().cpu().double().numpy() for t in (found, wanted))
    return float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-300))


def stepped(experiment: Experiment, steps: int = 60, every: int = 6) -> Tensor:
    """θ after that many steps, with records on the way."""
    buffer = RowBuffer(steps // every, experiment.state.theta, experiment.output_shape)
    at = experiment.state.step
    experiment.program.run_chunk(experiment.state, at, steps // every, every, buffer, StopFlag())
    return experiment.state.theta


def cases() -> Iterator[tuple[str, dict[str, Any], tuple[str, ...]]]:
    """Every rule, loss and network that is compared."""
    for rule, settings in RULES.items():
        for batch in (0, 7):
            yield f"{rule}, batch {batch}", BINARY, (*settings, f"train.batch={batch}")
    for loss in LOSSES[1:]:
        yield loss, BINARY, (*RULES["normalized"], f"loss.kind={loss}")
    yield "smoothness", LINEAR, ("train.rule=smoothness",)
    yield "square", CIRCLE, ()
    yield "cross-entropy of a CNN", PICTURES, ("data.n=200",)


def check_steps(device: str) -> list[str]:
    """Against the eager engine on the CPU."""
    wrong = []
    for name, base, settings in cases():
        for dtype, allowed in ALLOWED.items():
            given = (*settings, f"device.dtype={dtype}")
            far = apart(
                stepped(captured(base, *given, device=device)), stepped(built(base, *given))
            )
            ok = far <= allowed
            print(f"  {name + ', ' + dtype:44} {far:.1e} {'' if ok else 'WRONG'}")
            wrong += [] if ok else [f"{name}, {dtype}"]
    return wrong


def check_members(device: str) -> list[str]:
    """Five members against five runs."""
    members, program = members_of(BINARY, 5, device)
    program.run_chunk(members, 0, 1, 60, None, StopFlag())
    far = max(apart(members.theta[k], stepped(built(BINARY, seed=k))) for k in range(5))
    print(f"  {'members':44} {far:.1e}")
    return [] if far <= ALLOWED["float64"] else ["members"]


def check_resuming(device: str) -> list[str]:
    """A run that went on from a checkpoint is the whole run to the last bit."""
    wrong = []
    for name in ("loss-based", "normalized"):
        for base in (BINARY, PICTURES):
            given = (*RULES[name], "data.n=200") if base is PICTURES else RULES[name]
            whole = captured(base, *given, device=device)
            theta = stepped(whole, 60, 6)
            part = captured(base, *given, device=device)
            stepped(part, 24, 6)
            again = captured(base, *given, device=device)
            again.state.load(part.state.to_arrays())
            same = torch.equal(theta, stepped(again, 36, 6))
            same = same and whole.state.path_length == again.state.path_length
            print(
                f"  {'resumed, ' + name + ', ' + base['model']['kind']:44} {'' if same else 'WRONG'}"
            )
            wrong += [] if same else [f"resumed, {name}"]
    return wrong


def check_waiting(device: str) -> list[str]:
    """Between a chunk's first and last step no number is waited for: as torch sees it on the device, and by
    the operations themselves."""
    found: list[str] = []
    advance = Stepper.advance

    def watched(self: Stepper, *given: Any) -> int:
        if device == "cuda":
            torch.cuda.set_sync_debug_mode("error")
        try:
            with host_reads() as reads:
                taken = advance(self, *given)
        finally:
            if device == "cuda":
                torch.cuda.set_sync_debug_mode("default")
        # Permutations are drawn on the host, and are on the CPU anyway.
        found.extend(read for read in reads if "Tensor.to" not in read)
        return taken

    experiment = captured(PICTURES, "data.n=200", *RULES["loss-based"], device=device)
    buffer = RowBuffer(10, experiment.state.theta, experiment.output_shape)

    def chunk() -> None:
        buffer.count = 0
        at = experiment.state.step
        experiment.program.run_chunk(experiment.state, at, 10, 6, buffer, StopFlag())

    # What is recorded on the way may wait.
    chunk()
    Stepper.advance = watched  # type: ignore[method-assign]
    try:
        chunk()
    except RuntimeError as error:
        found.append(str(error).splitlines()[0])
    finally:
        Stepper.advance = advance  # type: ignore[method-assign]
    print(f"  {'waits in a chunk':44} {len(found)} {'WRONG' if found else ''}")
    return [f"waits for {read}" for read in found]


# --- how fast it is ---


def rate(chunk: Callable[[], int], members: int, device: str) -> float:
    """Member-steps a second of `chunk`, after one that warms up."""
    chunk()
    began, steps = _now(device), 0
    while _now(device) - began < SECONDS:
        steps += chunk()
    return members * steps / (_now(device) - began)


def _now(device: str) -> float:
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def plain_loop(base: dict[str, Any], device: str) -> Callable[[], int]:
    """What a user writes: the module, autograd and torch.optim.SGD, nothing recorded."""
    experiment = built(base, device=device)
    made: Any = experiment.program
    model = copy.deepcopy(experiment.model)
    optimizer = torch.optim.SGD(model.parameters(), lr=experiment.config.train.lr)
    n, batch = len(made.y), experiment.config.train.batch or len(made.y)

    def chunk() -> int:
        for _ in range(20):
            index = torch.randperm(n, device=made.x.device)[:batch] if batch < n else slice(None)
            optimizer.zero_grad()
            (made.loss.risk(model(made.x[index]), made.y[index]) / batch).backward()
            optimizer.step()
        return 20

    return chunk


def chunk_of(base: dict[str, Any], members: int, device: str, kind: str) -> Callable[[], int]:
    """100 steps with a record at every 10th, by that engine; 10 of many members, with a record that fits."""
    flag, records = StopFlag(), 10 if members <= 100 else 1
    if members == 1:
        alone = built(base, device=device)
        if kind == "captured":
            alone = captured(base, device=device)
        if kind == "cpu":
            auto = override(base, ["device.kind=cpu", "device.engine=auto"])
            alone = experiment_of(parse_config(auto, "benchmark"))
        single = RowBuffer(10, alone.state.theta, alone.output_shape)

        def one() -> int:
            single.count = 0
            return alone.program.run_chunk(alone.state, alone.state.step, 10, 10, single, flag)

        return one
    state, program = members_of(base, members, device, eager=kind == "eager", alike=True)
    shape = built(base).output_shape
    fits = 8 * records * state.theta.numel() <= 8 * BUFFER_BYTES
    rows = MemberBuffer(records, state.theta, shape, parts=("theta",)) if fits else None

    def many() -> int:
        if rows is not None:
            rows.written[:] = 0
        return int(program.run_chunk(state, state.step, records, 10, rows, flag))

    return many


def table(counts: list[int], until: float, device: str) -> None:
    """Member-steps a second; CNN: two layers of 8 and 16 filters on 1,000 digits, batches of 100."""
    workloads = {"W1": table_of("W1"), "W2": table_of("W2"), "CNN": PICTURES}
    names = ("plain loop", "eager", "captured", "one core")
    print(f"\n{'member-steps a second':24}" + "".join(f"{name:>14}" for name in names))
    for name in ("W1", "W2", "CNN"):
        for count in counts:
            cells = [_cell(workloads[name], count, column, until, device) for column in names]
            print(
                f"{name + ', M = ' + format(count, ','):24}" + "".join(f"{c:>14}" for c in cells),
                flush=True,
            )


def _cell(base: dict[str, Any], count: int, column: str, until: float, device: str) -> str:
    if column in ("plain loop", "one core") and count > 1:
        return "as M = 1"
    if time.perf_counter() > until:
        return "no time left"
    try:
        if column == "plain loop":
            return f"{rate(plain_loop(base, device), 1, device):,.0f}"
        if column == "one core":
            return f"{rate(chunk_of(base, 1, 'cpu', 'cpu'), 1, 'cpu'):,.0f}"
        return f"{rate(chunk_of(base, count, device, column), count, device):,.0f}"
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
        return "out of memory"


def main() -> int:
    """Check, then measure; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--minutes", type=float, default=8.0, help="when no new number is begun")
    parser.add_argument("--members", type=int, nargs="+", default=[1, 100, 10_000])
    parser.add_argument(
        "--table",
        action="store_true",
        help="measure without a GPU too, to see that the script runs",
    )
    given = parser.parse_args()
    until = time.perf_counter() + 60.0 * given.minutes - 30.0
    torch.set_num_threads(1)
    there = torch.cuda.is_available()
    device = "cuda" if there else "cpu"
    set_precision(built(BINARY).config, torch.device(device))
    print(f"on {torch.cuda.get_device_name() if there else 'the CPU'}, torch {torch.__version__}")
    wrong = [*check_steps(device), *check_members(device), *check_resuming(device)]
    wrong += check_waiting(device)
    if wrong:
        print(f"wrong: {'; '.join(wrong)}")
        return 1
    if not there:
        print(
            "torch finds no CUDA device here: what the CPU can check is right, the GPU's figures are open."
        )
    if there or given.table:
        table(given.members, until, device)
    return 0


if __name__ == "__main__":
    sys.exit(main())
