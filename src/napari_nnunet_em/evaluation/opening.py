"""Opening label images: where an OME-Zarr holds an image and its labels, the labels are meant."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zarr

from napari_nnunet_em.errors import InputError
from napari_nnunet_em.evaluation.settings import Meaning
from napari_nnunet_em.io import JOB_FOLDER, Volume, open_volume

_CLASSES = "classes"
"""Name of the label image of an output of ours that holds classes, not objects."""


@dataclass(frozen=True)
class LabelImage:
    """One side of a comparison.

    Attributes
    ----------
    volume : Volume
        Its voxels.
    name : str
        What it shows, such as a class; empty where nothing says it.
    objects : bool
        Whether it is known to hold objects that are numbered already.
    """

    volume: Volume
    name: str = ""
    objects: bool = False


def open_labels(
    source: str | os.PathLike[str],
    *,
    class_name: str | None = None,
    meaning: Meaning = Meaning.INSTANCES,
    axes: str | None = None,
) -> LabelImage:
    """Open a label image without reading its voxels.

    Parameters
    ----------
    source : path
        Anything that `open_volume` takes. Of an OME-Zarr that holds label images, one of these is taken.
    class_name : str, optional
        Which one; needed only where there are several.
    meaning : Meaning
        For `Meaning.CLASSES`, the classes of an output of ours are taken instead of objects.
    axes : str, optional
        As for `open_volume`.

    Raises
    ------
    InputError
        When it cannot be opened, or nothing says which label image is meant.
    """
    path = Path(source).expanduser()
    names = _label_names(path)
    if not names:
        return LabelImage(open_volume(source, axes=axes), class_name or "")
    ours = (path / JOB_FOLDER / "job.json").is_file()
    chosen = class_name or _only(path, names, meaning if ours else None)
    if chosen not in names:
        raise InputError(f"{path} holds no labels {chosen!r}; it holds {', '.join(names)}.")
    volume = open_volume(path / "labels" / chosen, axes=axes)
    return LabelImage(volume, chosen, objects=ours and chosen != _CLASSES)


def _only(path: Path, names: list[str], meaning: Meaning | None) -> str:
    """The label image that is meant, where no name was given; `meaning` for an output of ours."""
    if meaning is Meaning.CLASSES and _CLASSES in names:
        return _CLASSES
    candidates = [name for name in names if meaning is None or name != _CLASSES]
    if len(candidates) == 1:
        return candidates[0]
    raise InputError(
        f"{path} holds {len(candidates)} label images and nothing says which one is meant "
        f"({', '.join(candidates)}): name one with --class, or give the path {path / 'labels'}/NAME."
    )


def _label_names(path: Path) -> list[str]:
    """Label images that an OME-Zarr lists, of either version; none for anything else."""
    group = path / "labels"
    if not any((group / name).is_file() for name in ("zarr.json", ".zgroup")):
        return []
    try:
        node = zarr.open(group, mode="r")
    except (OSError, ValueError, KeyError, TypeError):
        return []
    attributes: dict[str, Any] = dict(node.attrs)
    inner = attributes.get("ome", attributes)
    listed = inner.get("labels") if isinstance(inner, dict) else None
    return [str(name) for name in listed] if isinstance(listed, list) else []
