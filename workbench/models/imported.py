"""Classes of the user's, named in a configuration as `package.module:Class`, and a module of theirs built.

What a user's code raises is not ours to foresee, so these calls catch every exception and say it in a
sentence.
"""

from __future__ import annotations

import copy
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from workbench.config.models import TorchModel
from workbench.errors import BadInput, WorkbenchError, clean_text, unknown

T = TypeVar("T")


def imported_class(path: str, key: str) -> type:
    """The class at `package.module:Class`; the working folder is searched too.

    Raises BadInput naming the key when it cannot be imported or is no class.
    """
    module_name, _, class_name = path.partition(":")
    where = f"{key} '{clean_text(path, 120)}'"
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    module = attempted(lambda: importlib.import_module(module_name), f"{where} cannot be imported")
    found: object = module
    for part in class_name.split("."):
        if not hasattr(found, part):
            names = [n for n, v in vars(module).items() if isinstance(v, type)]
            raise unknown("class", class_name, names, f"{key} ({module_name})")
        found = getattr(found, part)
    if not isinstance(found, type):
        raise BadInput(f"{where} is no class.")
    return found


def import_class(path: str) -> type[nn.Module]:
    """The nn.Module class at `package.module:Class`; raises BadInput where there is none."""
    found = imported_class(path, "model.class")
    if not issubclass(found, nn.Module):
        raise BadInput(f"model.class '{clean_text(path, 120)}' is no torch.nn.Module class.")
    return found


def imported(config: TorchModel, seed: int) -> nn.Module:
    """The module in float64, built under a seeded generator.

    Raises BadInput where it cannot be imported or built, or trains nothing.
    """
    cls = import_class(config.class_path)
    where = f"model.class '{config.class_path}'"
    given = f" with model.arguments {config.arguments}" if config.arguments else ""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = attempted(lambda: cls(**config.arguments), f"{where}{given} fails")
    parameters = [p for p in model.parameters() if p.requires_grad]
    if any(isinstance(p, UninitializedParameter) for p in parameters):
        raise BadInput(
            f"{where} leaves shapes of its weights open until it is called (lazy layers such as LazyLinear); "
            "needed are layers that are given their sizes."
        )
    if not sum(p.numel() for p in parameters):
        raise BadInput(f"{where} has no trainable parameters.")
    return model.double()


def outputs_of(model: nn.Module, x: Tensor, path: str, hint: str = "") -> Tensor:
    """What the module gives for inputs x (n, …): a tensor of real numbers that have a gradient.

    Asked of a copy in eval mode, so that no running statistics move. Raises BadInput where it cannot take x,
    with `hint` after that, or gives anything else.
    """
    where = f"model.class '{clean_text(path, 120)}'"
    shown = ", ".join(map(str, x.shape[1:]))
    found: object = attempted(
        lambda: copy.deepcopy(model).eval()(x),
        f"{where} cannot take inputs of shape (n, {shown}){hint}",
    )
    if not isinstance(found, Tensor):
        what = f"a {type(found).__name__}, and one tensor of outputs is needed"
    elif not found.is_floating_point():
        what = f"values of {found.dtype}, and real floating-point outputs are needed"
    elif not found.requires_grad:
        what = "outputs without a gradient in its parameters"
    else:
        return found
    raise BadInput(f"{where} gives {what}.")


def attempted(call: Callable[[], T], what: str) -> T:
    """The call's result; whatever it raises as a sentence that begins with `what`."""
    try:
        return call()
    except WorkbenchError:
        raise
    except (Exception, SystemExit) as error:
        said = clean_text(str(error), 200) or "no reason given"
        raise BadInput(f"{what}: {type(error).__name__}, {said.rstrip('.')}.") from error
