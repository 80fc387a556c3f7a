"""What a run file may hold: the name, shape, units and origin of every series that is measured.

A series that does not apply to a run is absent from its file. Later schema versions may add root
groups and series; readers ignore what they do not know, and refuse only a larger `SCHEMA_VERSION`.

The papers are cited by the short names of the theory notes: JT19, JT20, LL20, KH24, VSS22.
"""

from __future__ import annotations

from workbench.measures.panel import SeriesSpec
from workbench.measures.registry import MEASURES

SCHEMA_VERSION = 1

RUN_FILE = "run.h5"
CONFIG_FILE = "config.toml"
STUDY_FILE = "study.toml"
STEP = "step"


SERIES: dict[str, SeriesSpec] = {spec.name: spec for measure in MEASURES for spec in measure.series}
"""Every series of the workbench by its name, in the order of listings; `step` is the first."""
