"""The files that a run is made from, by hash: data, starts, the modules of classes of the user's own."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable
from pathlib import Path

from workbench.config.data import Cifar10Data, DataConfig, FileData, MnistData, TestConfig
from workbench.config.init import FileInit
from workbench.config.models import NtkModel, TorchModel
from workbench.config.paths import named
from workbench.config.run import RunConfig
from workbench.data import cifar10, mnist
from workbench.errors import BadInput, clean_text
from workbench.models.structure import Structure
from workbench.record.start import NamedPart, Source, Start

DATA, TEST, INIT, MODEL_START = "data.path", "data.test.path", "init.path", "model.start.path"
DATA_CLASS = "data.class"


def unkept(config: RunConfig, kept: Start, *, samples: bool) -> tuple[Source, ...]:
    """The files that are to be read: for what is not `kept`, and for the `samples` where they are not.

    Raises:
        BadInput: one cannot be read.
    """
    found: list[Source] = []
    if not samples:
        found += [_source(DATA, path) for path in _data_files(config.data, DATA)]
        found += [_source(TEST, path) for path in _data_files(config.data.test, TEST)]
    if kept.theta is None and isinstance(config.init, FileInit):
        found += _named_file(INIT, config.init)
    model = config.model
    if kept.fixed is None and isinstance(model, NtkModel) and isinstance(model.start, FileInit):
        found += _named_file(MODEL_START, model.start)
    return tuple(found)


def class_sources(config: RunConfig, *, samples: bool) -> tuple[Source, ...]:
    """The modules of the user's classes, which are imported, that of the `samples` where they are not kept; a
    class without a file has none."""
    keys = [] if samples else [(DATA_CLASS, path) for path in config.data_classes]
    keys += (
        [("model.class", config.model.class_path)] if isinstance(config.model, TorchModel) else []
    )
    keys += [("loss.class", config.loss.class_path)] if config.loss.class_path else []
    keys += [("train.class", config.train.class_path)] if config.train.class_path else []
    keys += [("measures.classes", path) for path in config.measures.classes]
    found = []
    for key, path in keys:
        file = getattr(sys.modules.get(path.partition(":")[0]), "__file__", None)
        if file is not None and Path(file).is_file():
            found.append(_source(f"{key} {path}", Path(file)))
    return tuple(found)


def changed_classes(before: Iterable[Source], now: Iterable[Source]) -> list[str]:
    """A clause for each class whose file says something else than it did."""
    earlier = {source.key: source for source in before}
    return [
        f"{source.key} in '{source.path}' has changed since the run began "
        f"(sha256 {earlier[source.key].sha256[:12]}…, now {source.sha256[:12]}…)"
        for source in now
        if source.key in earlier and earlier[source.key].sha256 != source.sha256
    ]


def require_unchanged(before: Iterable[Source], now: Iterable[Source], name: str) -> None:
    """Refuse files of data and of starts that are read again and are not what they were.

    Raises:
        BadInput: naming the file and both hashes.
    """
    earlier = {(source.key, source.path): source for source in before}
    for source in now:
        was = earlier.get((source.key, source.path))
        if source.key in (DATA, TEST, INIT, MODEL_START) and was and was.sha256 != source.sha256:
            raise BadInput(
                f"{source.key}: '{source.path}' has changed since run {name} read it (sha256 "
                f"{was.sha256}, now {source.sha256}); give the new file another name to use it."
            )


def of_tables(
    sources: Iterable[Source], *, data: bool, init: bool, model: bool
) -> tuple[Source, ...]:
    """The files of those tables, without those of classes that are imported again."""
    wanted = {DATA: data, TEST: data, DATA_CLASS: data, INIT: init, MODEL_START: model}
    return tuple(source for source in sources if wanted.get(source.key.split()[0], False))


def named_parts(structure: Structure) -> tuple[NamedPart, ...]:
    """Where each trained tensor lies in θ."""
    return tuple(NamedPart(p.name, tuple(p.shape), p.start) for p in structure.parameters)


def _data_files(table: DataConfig | TestConfig | None, key: str) -> tuple[Path, ...]:
    """The files that [data], or what is held out of it, names; none for data that are made."""
    match table:
        case MnistData():
            return mnist.files(table)
        case Cifar10Data():
            return cifar10.files(table)
        case FileData():
            path = named(table.path, key) if table.path else None
            return (path,) if path is not None and path.is_file() else ()
    return ()


def _named_file(key: str, table: FileInit) -> list[Source]:
    """The file of a start, if it is one: what is wrong with it is said where it is read."""
    path = named(table.path, key)
    return [_source(key, path)] if path.is_file() else []


def _source(key: str, path: Path) -> Source:
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        shown = clean_text(str(path))
        raise BadInput(f"{key.split()[0]}: {shown} cannot be read: {error.strerror}.") from error
    return Source(key, clean_text(str(path.absolute()), 4096), digest)
