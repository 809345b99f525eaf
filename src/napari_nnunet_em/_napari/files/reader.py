"""Opens Zarr and N5 folders, HDF5, NRRD and NIfTI files as layers, lazily, with their voxel size."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_nnunet_em._napari.files.dataset_dialog import ask_for_datasets
from napari_nnunet_em._napari.files.zarr_groups import GroupFacts, group_facts, is_zarr_folder, label_names
from napari_nnunet_em._napari.layers.features import LABELS_KEY, stored_features
from napari_nnunet_em._napari.layers.lazy_views import FixedAxes
from napari_nnunet_em.io import Choice, Volume, list_choices, open_volume
from napari_nnunet_em.io.from_n5 import is_n5

LayerData = tuple[Any, ...]
"""Data, keywords of the layer, its kind; or one None, which tells napari that there is nothing to add."""

Reader = Callable[[str], list[LayerData]]

_FILES = (".h5", ".hdf5", ".nrrd", ".nii", ".nii.gz")
_MAX_CHANNELS = 8
"""Channels become layers of their own up to this number; more stay an axis with a slider."""


def get_reader(path: str | Sequence[str]) -> Reader | None:
    """What opens `path`, or None; napari asks about every folder, so this only looks at names and attributes.

    Parameters
    ----------
    path : str or sequence of str
        What the user wants to open. Several paths to be stacked are left to others.
    """
    if not isinstance(path, str | os.PathLike):
        if len(path) != 1:
            return None
        path = path[0]
    folder = Path(path)
    if folder.is_dir():
        return read if is_zarr_folder(folder) or is_n5(folder) else None
    return read if folder.name.lower().endswith(_FILES) else None


def read(path: str | Sequence[str]) -> list[LayerData]:
    """Layers of a file or folder; no voxel is read.

    A result of ours gives its probability and its labels, each with its place in the volume it was
    made from. Voxels of unknown size get napari's plain pixels. Where a file holds several volumes and
    there is a window, the user is asked which ones.

    Parameters
    ----------
    path : str, or sequence with one str

    Raises
    ------
    InputError
        If there is no volume, or several, no word on which, and no window to ask in.
    """
    source = Path(path if isinstance(path, str | os.PathLike) else path[0])
    chosen = _chosen(source)
    if chosen is None:
        return _read_one(source)
    return [layer for choice in chosen for layer in _read_choice(source, choice)] or [(None,)]


def _chosen(source: Path) -> tuple[Choice, ...] | None:
    """Which volumes of a container are wanted; None where there is nothing to choose, or nobody to ask."""
    if source.is_dir() and "multiscales" in group_facts(source).ome:
        return None
    choices = list_choices(source)
    return ask_for_datasets(source, choices) if len(choices) > 1 else None


def _read_choice(source: Path, choice: Choice) -> list[LayerData]:
    if source.is_dir():
        return _read_one(Path(choice.address))
    name = f"{_layer_name(source)} {choice.name.strip('/')}"
    return _image_layers(open_volume(choice.address), GroupFacts(), name)


def _read_one(source: Path) -> list[LayerData]:
    facts = group_facts(source) if source.is_dir() else GroupFacts()
    name = _layer_name(source)
    names = label_names(source) if source.is_dir() else ()
    layers = [] if facts.stand_in and names else _image_layers(open_volume(source), facts, name)
    for label in names:
        group = source / "labels" / label
        layers += [
            _labels_layer(
                open_volume(group), group_facts(group), f"{name} {label}", visible=label != "classes"
            )
        ]
    return layers


def _image_layers(volume: Volume, facts: GroupFacts, name: str) -> list[LayerData]:
    if facts.is_labels or (not facts.ome and _surely_labels(volume)):
        return [_labels_layer(volume, facts, name, visible=True)]
    display: dict[str, Any] = {"multiscale": len(volume.levels) > 1}
    if volume.dtype == np.uint8:
        display["contrast_limits"] = (0, 255)
    if facts.is_probability:
        display |= {
            "colormap": "magenta",
            "blending": "additive",
            "contrast_limits": facts.limits(volume.dtype),
        }
    several = volume.axes.startswith("c") and volume.channels <= _MAX_CHANNELS
    channels: list[int | None] = list(range(volume.channels)) if several else [None]
    return [
        (
            _levels(volume, channel),
            {
                **display,
                "name": facts.channel_name(name, channel),
                **_place(volume, facts, channel is not None),
            },
            "image",
        )
        for channel in channels
    ]


def _surely_labels(volume: Volume) -> bool:
    """No microscope records whole numbers of 32 or 64 bits; segmentations hold them."""
    return volume.dtype.kind in "iu" and volume.dtype.itemsize >= 4 and volume.channels == 1


def _labels_layer(volume: Volume, facts: GroupFacts, name: str, *, visible: bool) -> LayerData:
    keywords = {
        "name": name,
        "multiscale": len(volume.levels) > 1,
        "visible": visible,
        **_place(volume, facts, False),
    }
    keywords["metadata"] = {**keywords.get("metadata", {}), LABELS_KEY: volume.origin}
    features = stored_features(Path(volume.origin))
    if features is not None:
        keywords["features"] = features
    return _levels(volume, None), keywords, "labels"


def _levels(volume: Volume, channel: int | None) -> Any:
    levels: list[Any] = [x if channel is None else FixedAxes(x, (channel,)) for x in volume.levels]
    return levels if len(levels) > 1 else levels[0]


def _place(volume: Volume, facts: GroupFacts, channel_taken: bool) -> dict[str, Any]:
    """Scale, translation and units of a layer, or nothing where the voxel size is unknown."""
    if volume.voxel_size_nm is None:
        return {}
    axes = volume.axes.removeprefix("c") if channel_taken else volume.axes
    size = dict(zip("zyx", volume.voxel_size_nm, strict=True))
    origin = dict(zip("zyx", volume.origin_nm or facts.origin_nm(volume.voxel_size_nm), strict=True))
    return {
        "scale": tuple(size.get(a, 1.0) for a in axes),
        "translate": tuple(origin.get(a, 0.0) for a in axes),
        "units": tuple("nanometer" if a in size else "pixel" for a in axes),
        "axis_labels": tuple(axes),
        "metadata": {"voxel_size_source": volume.voxel_size_source},
    }


def _layer_name(source: Path) -> str:
    stores = [p for p in (source, *source.parents) if p.suffix.lower() in (".zarr", ".n5")]
    if not stores:
        return source.stem.removesuffix(".nii")
    inside = source.relative_to(stores[0])
    # Containers of N5 hold many images of one name, such as setup0/timepoint0, setup1/timepoint0.
    named = inside.as_posix() if stores[0].suffix.lower() == ".n5" else inside.name
    return f"{stores[0].stem} {named}".removesuffix(" .").strip()
