"""Parsl's providers, which submit, ask after and cancel the pilots' jobs, from a [launcher] table."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from typing import Any

from workbench.config.launcher import (
    BatchTable,
    ClusterTable,
    KubernetesTable,
    LsfTable,
    PbsTable,
    SlurmTable,
)
from workbench.errors import BadInput
from workbench.study.launchers.local import ONE_THREAD
from workbench.study.launchers.pilot import SINCE

STATUS_SECONDS = 15
"""Seconds between looks at the scheduler's queue for what became of the pilots."""


def provider_of(table: ClusterTable) -> Any:
    """What submits the pilots.

    Raises:
        BadInput: Kubernetes has no client here, or no cluster to speak to.
    """
    match table:
        case SlurmTable():
            return _slurm(table)
        case PbsTable():
            return _pbs(table)
        case LsfTable():
            return _lsf(table)
        case KubernetesTable():
            return _kubernetes(table)


_ONE_THREAD = tuple(f"export {name}={count}" for name, count in ONE_THREAD.items())


def _polled(provider: type) -> Any:
    """The provider with our period of looks: Parsl's is a minute, for which a dead pilot would be missed."""
    return type(provider.__name__, (provider,), {"status_polling_interval": STATUS_SECONDS})


def _common(table: ClusterTable, before: Sequence[str] = ()) -> dict[str, Any]:
    """What all providers are told; pilots are asked for as shards are there for them."""
    return {
        "init_blocks": 0,
        "min_blocks": 0,
        "max_blocks": table.pilots,
        "worker_init": "\n".join((*before, *_ONE_THREAD, *table.init)) + "\n",
    }


def _batch(table: BatchTable, before: Sequence[str] = ()) -> dict[str, Any]:
    # A user's own classes are found from where the study was started, as they are there.
    here = f"cd {shlex.quote(os.getcwd())}"
    began = f"export {SINCE}=$(date +%s)"
    return {
        **_common(table, (*before, began, here)),
        "nodes_per_block": table.nodes,
        "walltime": table.walltime,
    }


def _slurm(table: SlurmTable) -> Any:
    from parsl.launchers import SrunLauncher
    from parsl.providers import SlurmProvider

    return _polled(SlurmProvider)(
        **_batch(table),
        partition=table.partition or None,
        account=table.account or None,
        qos=table.qos or None,
        cores_per_node=table.cores,
        mem_per_node=table.memory or None,
        gpus_per_node=table.gpus or None,
        exclusive=table.exclusive,
        scheduler_options="\n".join(table.options),
        cmd_timeout=60,
        # Only as a step does a pilot outlive the signal that says that its job is ended.
        launcher=SrunLauncher(debug=False),
    )


# A batch script that dies of the signal would take the pilot with it at once.
_DEAF = ("trap '' TERM USR1 USR2",)


def _pbs(table: PbsTable) -> Any:
    from parsl.launchers import MpiExecLauncher, SingleNodeLauncher
    from parsl.providers import PBSProProvider

    memory = f"mem={table.memory}gb" if table.memory else ""
    gpus = f"ngpus={table.gpus}" if table.gpus else ""
    several = MpiExecLauncher(debug=False, bind_cmd="--cpu-bind", overrides="--ppn 1")
    return _polled(PBSProProvider)(
        **_batch(table, _DEAF),
        queue=table.queue or None,
        account=table.account or None,
        cpus_per_node=table.cores,
        select_options=":".join(filter(None, (memory, gpus))),
        scheduler_options="\n".join(table.options),
        launcher=several if table.nodes > 1 else SingleNodeLauncher(debug=False),
    )


def _lsf(table: LsfTable) -> Any:
    from parsl.launchers import MpiRunLauncher, SingleNodeLauncher
    from parsl.providers import LSFProvider

    asked = [f"#BSUB -M {table.memory}GB"] if table.memory else []
    asked += [f'#BSUB -gpu "num={table.gpus}"'] if table.gpus else []
    asked += [f"#BSUB -G {table.account}"] if table.account else []
    return _polled(LSFProvider)(
        **_batch(table, _DEAF),
        queue=table.queue or None,
        request_by_nodes=False,
        cores_per_block=table.cores * table.nodes,
        cores_per_node=table.cores,
        bsub_redirection=True,
        scheduler_options="\n".join((*asked, *table.options)),
        launcher=MpiRunLauncher(debug=False)
        if table.nodes > 1
        else SingleNodeLauncher(debug=False),
    )


def _kubernetes(table: KubernetesTable) -> Any:
    from parsl.errors import OptionalModuleMissing
    from parsl.providers import KubernetesProvider

    memory = f"{table.memory}Gi" if table.memory else "2Gi"
    try:
        return _polled(KubernetesProvider)(
            **_common(table),
            image=table.image,
            namespace=table.namespace,
            max_cpu=table.cores,
            init_cpu=table.cores,
            max_mem=memory,
            init_mem=memory,
            extra_limits={"nvidia.com/gpu": str(table.gpus)} if table.gpus else {},
            persistent_volumes=list(table.volumes.items()),
            service_account_name=table.service_account or None,
            secret=table.secret or None,
        )
    except OptionalModuleMissing as error:
        raise BadInput(
            "launcher.kind 'kubernetes' needs the Python package kubernetes: pip install kubernetes."
        ) from error
    except Exception as error:
        if type(error).__name__ != "ConfigException":
            raise
        raise BadInput(f"no Kubernetes cluster is configured here: {error}") from error
