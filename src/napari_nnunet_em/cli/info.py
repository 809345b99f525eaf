"""``napari-nnunet-em info``: what a volume, a model or a result of ours holds."""

from __future__ import annotations

import argparse
import enum
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_nnunet_em.cli.display import write_json
from napari_nnunet_em.cli.facts import napari_command, write_command, write_facts
from napari_nnunet_em.cli.model_facts import model_facts
from napari_nnunet_em.cli.options import add_options, given_options
from napari_nnunet_em.cli.problems import nearest
from napari_nnunet_em.cli.result_facts import store_document, store_facts
from napari_nnunet_em.errors import InputError
from napari_nnunet_em.quantities import extent, memory

if TYPE_CHECKING:
    from napari_nnunet_em.io import Volume

_OPTIONS = ("input.axes", "model.configuration", "model.checkpoint", "model.trust")
_MODEL_SUFFIXES = (".zip", ".pth", ".pt")
_MODEL_FILES = ("plans.json", "dataset.json")
_ZARR_FILES = ("zarr.json", ".zgroup", ".zarray")


class Kind(enum.StrEnum):
    """What a path or name stands for."""

    VOLUME = "volume"
    MODEL = "model"
    RESULT = "result"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the path, and the options without which some files cannot be understood."""
    parser.usage = "%(prog)s VOLUME|MODEL|RESULT [options]"
    parser.add_argument(
        "path",
        metavar="VOLUME|MODEL|RESULT",
        help="A volume, the name or path of a model, or an output of segment.",
    )
    add_options(parser, only=_OPTIONS)


def run(arguments: argparse.Namespace) -> None:
    """Say what it is."""
    kind = what_is(arguments.path)
    document, facts = _READERS[kind](arguments)
    if arguments.json:
        write_json(sys.stdout, {"kind": kind.value, **document})
    else:
        write_facts(sys.stdout, facts)
        if kind is Kind.RESULT and document["finished"]:
            write_command(
                sys.stdout,
                "Open it in napari:",
                napari_command(document["store"], document["job"]["input"]["path"]),
            )


def what_is(source: str) -> Kind:
    """Decide what a path or name stands for, without reading more than names of files.

    Parameters
    ----------
    source : str
        What the user typed. A model's name wins over a path, as it does for ``--model``.

    Raises
    ------
    InputError
        If it is neither a file, a folder nor a model's name.
    """
    from napari_nnunet_em.io import JOB_FOLDER  # noqa: PLC0415
    from napari_nnunet_em.model import list_models  # noqa: PLC0415

    names = [model.name for model in list_models()]
    path = Path(source)
    if source in names:
        return Kind.MODEL
    # An address inside a file, such as volume.h5:/raw, is for the reader of volumes to judge.
    if not path.exists() and ":" not in source:
        guess = nearest(source, names)
        hint = f"did you mean the model {guess}?" if guess else f"the models are {', '.join(names)}."
        raise InputError(f"{source!r} is neither a file, a folder nor the name of a model; {hint}")
    if _is_job(path / JOB_FOLDER / "job.json"):
        return Kind.RESULT
    return Kind.MODEL if _looks_like_model(path) else Kind.VOLUME


def _is_job(file: Path) -> bool:
    """Whether there is a job that predicts; objects of another probability are a volume like others."""
    return file.is_file() and '"job"' in file.read_text(encoding="utf-8")


def _looks_like_model(path: Path) -> bool:
    if not path.is_dir():
        named = path.name in _MODEL_FILES or path.suffix.lower() in _MODEL_SUFFIXES
        return named and not path.name.lower().endswith(".zarr.zip")
    if any((path / name).exists() for name in _ZARR_FILES):
        return False
    patterns = ("plans.json", "fold_*", "*/plans.json", "*/fold_*", "*/*/plans.json")
    return any(next(path.glob(pattern), None) is not None for pattern in patterns)


_Facts = tuple[Mapping[str, Any], list[tuple[str, str]]]


def _volume(arguments: argparse.Namespace) -> _Facts:
    from napari_nnunet_em.io import describe, open_volume  # noqa: PLC0415

    volume = open_volume(arguments.path, axes=given_options(arguments).get("input.axes"))
    size = volume.voxel_size_nm
    voxel = (
        f"{extent(size)} nm (z, y, x; {volume.voxel_size_source})"
        if size
        else "unknown: give --voxel-size-nm"
    )
    document = describe(volume)
    facts = [
        ("Volume", volume.origin),
        ("Shape", f"{extent(volume.array.shape)} ({', '.join(volume.axes)})"),
        ("Voxel size", voxel),
        ("Type", f"{volume.dtype.name}, {memory(float(str(document['bytes'])))} uncompressed"),
        ("Chunks", f"{extent(volume.chunks)} (z, y, x)"),
        ("Pyramid", "\n".join(_level(volume, number) for number in range(1, len(volume.levels)))),
    ]
    return document, facts


def _level(volume: Volume, number: int) -> str:
    size = volume.size_of(number)
    return f"{number}: {extent(volume.levels[number].shape)}" + (f", {extent(size)} nm" if size else "")


def _model(arguments: argparse.Namespace) -> _Facts:
    from napari_nnunet_em.model import ModelBundle, describe  # noqa: PLC0415

    given = given_options(arguments)
    settings = {key.removeprefix("model."): given[key] for key in given if key.startswith("model.")}
    bundle = ModelBundle.open(arguments.path, **settings)
    return describe(bundle), model_facts(bundle)


def _result(arguments: argparse.Namespace) -> _Facts:
    document = store_document(Path(arguments.path))
    return document, store_facts(document)


_READERS = {Kind.VOLUME: _volume, Kind.MODEL: _model, Kind.RESULT: _result}
