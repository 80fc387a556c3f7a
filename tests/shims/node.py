"""A machine of one's own for a process: another host, another boot, locks that fail or exclude nobody.

env = node(tmp_path, host="node7", locks="always")
subprocess.run([...], env=env)
"""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def node(place: Path, *, host: str = "", locks: str = "", links: str = "") -> dict[str, str]:
    """The environment of a process on such a machine; the test is skipped where there is no compiler.

    `place`: a folder for the shim and the machines' boot ids. Processes of one `host` share a boot.
    """
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler to build the shim with")
    shim = place / "node.so"
    if not shim.exists():
        subprocess.run(
            [compiler, "-shared", "-fPIC", "-O1", "-o", shim, HERE / "node.c", "-ldl"], check=True
        )
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}
    env["LD_PRELOAD"] = str(shim)
    if host:
        boot = place / f"boot-{host}"
        if not boot.exists():
            boot.write_text(f"{uuid.uuid5(uuid.NAMESPACE_DNS, host)}\n")
        env |= {"NODE_HOST": host, "NODE_BOOT": str(boot)}
    return env | ({"NODE_LOCKS": locks} if locks else {}) | ({"NODE_LINKS": links} if links else {})
