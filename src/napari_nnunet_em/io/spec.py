"""What an output image is, declared before its first voxel."""

from __future__ import annotations

import enum
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from napari_nnunet_em.config import OmeZarrVersion
from napari_nnunet_em.errors import SettingsError
from napari_nnunet_em.geometry import Shape, as_shape
from napari_nnunet_em.io.pyramid import Level, plan_levels

SINK_KEY = "sink"
"""Under our key in the attributes of a group: the specification of what is stored in it."""


STAND_IN = "stand_in_for_labels"
"""Attribute of an image that exists only because OME-Zarr wants an image above every label image."""


class Kind(enum.StrEnum):
    """What the numbers mean, and with it how they are reduced for the pyramid."""

    IMAGE = "image"
    LABELS = "labels"


@dataclass(frozen=True, kw_only=True)
class SinkSpec:
    """One multiscale image or label image, as it will be written.

    Attributes
    ----------
    shape : tuple of int, (z, y, x)
        Shape of level 0 in voxels.
    dtype : numpy.dtype
        Type of the stored voxels. Images: integers of at most 32 bits, or floats, because their
        pyramid holds means; labels: any integer.
    voxel_size_nm : tuple of float, (z, y, x)
        Voxel size of level 0.
    chunk_shape, block_shape : tuple of int, (z, y, x)
        The largest stored chunk, and what one writer fills at a time: whole chunks of every level.
    kind : Kind
        Image (averaged in the pyramid) or labels (never averaged).
    channels : int
        Length of the channel axis, which comes first; 0 for no such axis.
    origin_nm : tuple of float, (z, y, x)
        Centre of the first voxel of level 0 in the world, as of a region of a larger volume.
    ome_zarr_version : OmeZarrVersion
        0.4 (Zarr v2) or 0.5 (Zarr v3).
    channel_names : tuple of str
        One per channel (one where there is no channel axis), or empty.
    label_colors : mapping of int to tuple of int
        Red, green, blue and alpha, 0 to 255, for some label values.
    attributes : mapping
        More to store under ``napari_nnunet_em`` in the attributes of the group; plain JSON values.

    Raises
    ------
    SettingsError
        Where these do not fit together.
    """

    shape: Shape
    dtype: np.dtype[Any]
    voxel_size_nm: tuple[float, float, float]
    chunk_shape: Shape
    block_shape: Shape
    kind: Kind = Kind.IMAGE
    channels: int = 0
    origin_nm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    ome_zarr_version: OmeZarrVersion = OmeZarrVersion.V05
    channel_names: tuple[str, ...] = ()
    label_colors: Mapping[int, tuple[int, int, int, int]] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Bring equal specifications to equal values, and refuse impossible ones."""
        for name in ("shape", "chunk_shape", "block_shape"):
            object.__setattr__(self, name, as_shape(getattr(self, name)))
        for name in ("voxel_size_nm", "origin_nm"):
            object.__setattr__(self, name, tuple(float(v) for v in getattr(self, name)))
        object.__setattr__(self, "dtype", np.dtype(self.dtype).newbyteorder("="))
        object.__setattr__(self, "channel_names", tuple(self.channel_names))
        _check_sizes(self)
        _check_kind(self)
        _check_attributes(self)
        self.plan()

    @property
    def axes(self) -> str:
        """Axes of the stored arrays: ``zyx`` or ``czyx``."""
        return "czyx" if self.channels else "zyx"

    def plan(self, count: int | None = None) -> tuple[Level, ...]:
        """The resolution levels, level 0 first: as many as make sense, or `count`.

        Raises
        ------
        SettingsError
            If the blocks cannot be halved that often.
        """
        return plan_levels(self.shape, self.voxel_size_nm, self.block_shape, self.chunk_shape, count)

    def layout(self) -> dict[str, Any]:
        """What must be equal for one writer to continue the work of another, as plain JSON values."""
        return {
            "shape": list(self.shape),
            "channels": self.channels,
            "dtype": self.dtype.name,
            "kind": str(self.kind),
            "voxel_size_nm": list(self.voxel_size_nm),
            "origin_nm": list(self.origin_nm),
            "chunk_shape": list(self.chunk_shape),
            "block_shape": list(self.block_shape),
            "ome_zarr_version": str(self.ome_zarr_version),
        }

    def document(self) -> dict[str, Any]:
        """Everything as plain JSON values, as stored under ``napari_nnunet_em``."""
        names = {"channel_names": list(self.channel_names)}
        colors = {"label_colors": {str(k): list(v) for k, v in self.label_colors.items()}}
        return {**self.attributes, SINK_KEY: {**self.layout(), **names, **colors}}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> SinkSpec:
        """Rebuild a specification from `document`.

        Raises
        ------
        KeyError, TypeError, ValueError
            Where the document is not complete.
        """
        values = dict(document[SINK_KEY])
        values["kind"] = Kind(values["kind"])
        values["ome_zarr_version"] = OmeZarrVersion(values["ome_zarr_version"])
        values["dtype"] = np.dtype(values["dtype"])
        values["label_colors"] = {int(k): tuple(v) for k, v in values["label_colors"].items()}
        values.pop("levels", None)
        return cls(**values, attributes={k: v for k, v in document.items() if k != SINK_KEY})

    def differences(self, other: SinkSpec) -> list[str]:
        """What differs in layout, one phrase per entry, ours before theirs."""
        theirs = other.layout()
        return [f"{k} {v} instead of {theirs[k]}" for k, v in self.layout().items() if v != theirs[k]]


def _check_sizes(spec: SinkSpec) -> None:
    for name in ("shape", "chunk_shape", "block_shape"):
        value = getattr(spec, name)
        if min(value) < 1:
            raise SettingsError(f"The output's {name} {value} has an axis without voxels: give at least 1.")
    if not all(v > 0 and math.isfinite(v) for v in spec.voxel_size_nm):
        raise SettingsError(
            f"The voxel size {spec.voxel_size_nm} nm cannot be stored: give three numbers above 0."
        )
    if not all(math.isfinite(v) for v in spec.origin_nm):
        raise SettingsError(f"The origin {spec.origin_nm} nm cannot be stored: give three finite numbers.")


def _check_kind(spec: SinkSpec) -> None:
    integer = spec.dtype.kind in "iu"
    if spec.kind is Kind.LABELS:
        if not integer or spec.channels:
            raise SettingsError(
                f"Labels of type {spec.dtype} with {spec.channels} channels cannot be stored: "
                "use an integer type and no channel axis."
            )
    elif not (spec.dtype.kind == "f" or (integer and spec.dtype.itemsize <= 4)):
        raise SettingsError(
            f"An image of type {spec.dtype} cannot be averaged for its pyramid: "
            "use integers of at most 32 bits, or floating-point numbers."
        )
    if spec.channels < 0 or len(spec.channel_names) not in (0, max(spec.channels, 1)):
        raise SettingsError(
            f"{len(spec.channel_names)} channel names do not fit {spec.channels} channels: "
            "give one name per channel, or none."
        )


def _check_attributes(spec: SinkSpec) -> None:
    if SINK_KEY in spec.attributes:
        raise SettingsError(f"The attribute {SINK_KEY!r} is taken by the output itself: use another name.")
    try:
        json.dumps(dict(spec.attributes), allow_nan=False)
    except (TypeError, ValueError) as exc:
        raise SettingsError(f"The output's attributes are not plain JSON values ({exc}).") from exc
