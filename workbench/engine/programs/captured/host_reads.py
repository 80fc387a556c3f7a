"""What makes the host wait for a number of the device, seen as it happens, on the CPU as on a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode, resolve_name
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

READS = frozenset(
    {"cpu", "numpy", "tolist", "item", "__bool__", "__float__", "__int__", "__index__"}
    | {"__array__", "__complex__", "__contains__", "nonzero", "is_nonzero"}
)
"""Of a tensor: what gives the host a number of it. `cpu` counts on the CPU too, where it does nothing."""
TAGS = (torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape)
INDEXED = (
    torch.ops.aten.index.Tensor,
    torch.ops.aten.index_put.default,
    torch.ops.aten.index_put_.default,
)
COPIED = (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)
SOLVED = ("linalg_", "_linalg_", "svd", "symeig", "cholesky", "lu_", "geqrf", "ormqr")
SOLVED_WITHOUT = ("linalg_vector_norm", "linalg_cross", "linalg_vecdot")


class _Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Operations whose result, or its shape, depends on numbers that the host must know."""

    def __init__(self, found: list[str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found = found

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        named = dict(kwargs or {})
        result = func(*args, **named)
        if self._reads(func, args, result):
            self.found.append(str(func))
        return result

    @staticmethod
    def _reads(func: Any, args: tuple[Any, ...], result: Any) -> bool:
        tensors = [leaf for leaf in tree_leaves(args) if isinstance(leaf, Tensor)]
        if func in INDEXED:
            return any(
                t.dtype in (torch.bool, torch.uint8) for t in tree_leaves(args[1]) if t is not None
            )
        if func in COPIED:
            source = tensors[-1]
            return source.device.type != "cpu" and result.device.type == "cpu"
        name = func.overloadpacket.__name__
        if name.startswith(SOLVED) and not name.startswith(SOLVED_WITHOUT):
            return True
        return any(tag in func.tags for tag in TAGS)


class _Calls(TorchFunctionMode):
    """Methods that give the host what it would have to wait for, even where nothing is copied."""

    def __init__(self, found: list[str]) -> None:
        super().__init__()
        self.found = found

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        named = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        if name in READS or (name == "to" and _to_the_host(args, named)):
            self.found.append(resolve_name(func) or name)
        return func(*args, **named)


def _to_the_host(args: tuple[Any, ...], named: dict[str, Any]) -> bool:
    """Whether Tensor.to names the CPU, or another tensor that lies there."""
    for given in (*args[1:], named.get("device"), named.get("other")):
        if isinstance(given, Tensor):
            given = given.device
        if isinstance(given, str | torch.device) and torch.device(given).type == "cpu":
            return True
    return False


@contextmanager
def host_reads() -> Iterator[list[str]]:
    """The reads within, by name, in their order."""
    found: list[str] = []
    with _Calls(found), _Operations(found):
        yield found
