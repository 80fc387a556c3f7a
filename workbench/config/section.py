"""What every table of the configuration is made of: frozen, unknown keys refused, numbers in their range."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Samples = Annotated[int, Field(ge=1, le=1_000_000)]
"""How many points are drawn, and how many numbers each has."""
Width = Annotated[int, Field(ge=1, le=10_000_000)]
"""Units or channels of a layer."""
DEEPEST = 256
"""Layers, one after the other."""
Depth = Annotated[int, Field(ge=1, le=DEEPEST)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Natural = Annotated[int, Field(ge=0)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
CLASS = r"^[\w.]+:[\w.]+$"
"""How a class is named: package.module:Class."""
Leak = Annotated[float, Field(gt=-1, le=1)]


class Section(BaseModel):
    """A frozen table of the configuration that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())
