"""OME-Zarr (NGFF) metadata, checked by ome-zarr-models before it is written.

The specifications: https://ngff.openmicroscopy.org/0.4/ and https://ngff.openmicroscopy.org/0.5/.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ome_zarr_models.common.omero import Omero
from ome_zarr_models.v04 import image as image04
from ome_zarr_models.v04 import image_label as image_label04
from ome_zarr_models.v04 import labels as labels04
from ome_zarr_models.v05 import image as image05
from ome_zarr_models.v05 import image_label as image_label05
from ome_zarr_models.v05 import labels as labels05
from pydantic import BaseModel

from napari_nnunet_em.config import OmeZarrVersion
from napari_nnunet_em.io.pyramid import Level
from napari_nnunet_em.io.spec import SINK_KEY, Kind, SinkSpec

OWN_KEY = "napari_nnunet_em"
"""Our key in the attributes of a group, beside those of OME-Zarr."""

STAND_IN = "stand_in_for_labels"
"""Under our key: an image that exists only because OME-Zarr wants an image above every label image."""

_CHANNEL_COLORS = ("00FF00", "FF00FF", "00FFFF", "FFFF00", "FF0000", "0000FF")


def image_attributes(spec: SinkSpec, levels: Sequence[Level], name: str) -> dict[str, Any]:
    """Attributes of the group of a multiscale image or label image.

    Parameters
    ----------
    spec : SinkSpec
        What is stored.
    levels : sequence of Level
        Its resolution levels; level ``k`` is the array ``str(k)``.
    name : str
        Name that viewers show.

    Returns
    -------
    dict
        JSON values: OME-Zarr's (under ``ome`` since 0.5) and ours under ``napari_nnunet_em``.
    """
    version = str(spec.ome_zarr_version)
    ome: dict[str, Any] = {"multiscales": [_multiscale(spec, levels, name)]}
    old = spec.ome_zarr_version is OmeZarrVersion.V04
    model: type[BaseModel]
    if spec.kind is Kind.LABELS:
        ome["image-label"] = _image_label(spec)
        model = image_label04.ImageLabelAttrs if old else image_label05.ImageLabelAttrs
    else:
        ome["omero"] = _omero(spec, name)
        model = image04.ImageAttrs if old else image05.ImageAttrs
    if not old:
        ome["version"] = version
    own = spec.document()
    own[SINK_KEY]["levels"] = len(levels)
    return {**_wrapped(model, ome, spec.ome_zarr_version), OWN_KEY: own}


def labels_attributes(names: Sequence[str], version: OmeZarrVersion) -> dict[str, Any]:
    """Attributes of the ``labels`` group, which lists its label images."""
    if version is OmeZarrVersion.V04:
        return _wrapped(labels04.LabelsAttrs, {"labels": list(names)}, version)
    return _wrapped(labels05.LabelsAttrs, {"labels": list(names), "version": str(version)}, version)


def ome_attributes(attributes: dict[str, Any]) -> dict[str, Any]:
    """The OME-Zarr part of a group's attributes, of either version; empty where there is none."""
    inner = attributes.get("ome", attributes)
    return inner if isinstance(inner, dict) else {}


def _wrapped(model: type[BaseModel], ome: dict[str, Any], version: OmeZarrVersion) -> dict[str, Any]:
    valid = model.model_validate(ome).model_dump(mode="json", by_alias=True, exclude_none=True)
    return valid if version is OmeZarrVersion.V04 else {"ome": valid}


def _multiscale(spec: SinkSpec, levels: Sequence[Level], name: str) -> dict[str, Any]:
    axes: list[dict[str, str]] = [{"name": a, "type": "space", "unit": "nanometer"} for a in "zyx"]
    if spec.channels:
        axes.insert(0, {"name": "c", "type": "channel"})
    multiscale = {
        "name": name,
        "type": "mean" if spec.kind is Kind.IMAGE else "stride",
        "axes": axes,
        "datasets": [_dataset(spec, k, level) for k, level in enumerate(levels)],
    }
    return {"version": "0.4", **multiscale} if spec.ome_zarr_version is OmeZarrVersion.V04 else multiscale


def _dataset(spec: SinkSpec, index: int, level: Level) -> dict[str, Any]:
    """Scale and translation of a level: the centre of its first voxel.

    A mean lies at the centre of its cell, half a cell less half a voxel away from the first voxel of
    level 0; a strided sample lies exactly there.
    """
    axes = list(zip(spec.voxel_size_nm, level.factor, spec.origin_nm, strict=True))
    scale = [v * f for v, f, _ in axes]
    shift = 0.5 if spec.kind is Kind.IMAGE else 0.0
    translation = [o + shift * (f - 1) * v for v, f, o in axes]
    if spec.channels:
        scale, translation = [1.0, *scale], [0.0, *translation]
    return {
        "path": str(index),
        "coordinateTransformations": [
            {"type": "scale", "scale": scale},
            {"type": "translation", "translation": translation},
        ],
    }


def _image_label(spec: SinkSpec) -> dict[str, Any]:
    label: dict[str, Any] = {"version": str(spec.ome_zarr_version), "source": {"image": "../../"}}
    if spec.label_colors:
        label["colors"] = [{"label-value": k, "rgba": list(v)} for k, v in spec.label_colors.items()]
    return label


def _omero(spec: SinkSpec, name: str) -> dict[str, Any]:
    count = max(spec.channels, 1)
    names = spec.channel_names or ((name,) if count == 1 else tuple(f"{name} {i}" for i in range(count)))
    low, high = (0.0, 1.0) if spec.dtype.kind == "f" else _integer_window(spec.dtype)
    window = {"min": low, "max": high, "start": low, "end": high}
    colors = ["FFFFFF"] if count == 1 else [_CHANNEL_COLORS[i % len(_CHANNEL_COLORS)] for i in range(count)]
    channels = [
        {"label": label, "color": color, "active": True, "window": window}
        for label, color in zip(names, colors, strict=True)
    ]
    model = "greyscale" if count == 1 else "color"
    rdefs = {"model": model, "defaultZ": spec.shape[0] // 2, "defaultT": 0}
    omero = Omero.model_validate({"name": name, "channels": channels, "rdefs": rdefs})
    return omero.model_dump(mode="json", by_alias=True, exclude_none=True)


def _integer_window(dtype: np.dtype[Any]) -> tuple[float, float]:
    info = np.iinfo(dtype)
    return float(max(int(info.min), 0)), float(info.max)
