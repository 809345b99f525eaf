"""What the metadata of a Zarr group say beyond voxels: labels, channels, place in the world."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from napari_nnunet_em.io.ngff import STAND_IN

_MARKERS = ("zarr.json", ".zgroup", ".zarray", ".zattrs")
_OWN = "napari_nnunet_em"


@dataclass(frozen=True)
class GroupFacts:
    """Some of the attributes of a group.

    Attributes
    ----------
    ome : mapping
        OME-Zarr's part.
    own : mapping
        What this package noted when it wrote the group.
    """

    ome: Mapping[str, Any] = field(default_factory=dict)
    own: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_labels(self) -> bool:
        """Whether the group is a label image."""
        return "image-label" in self.ome

    @property
    def is_probability(self) -> bool:
        """Whether the group is a probability that this package predicted."""
        return bool(self.own) and not self.is_labels and self.own.get(STAND_IN) is None

    @property
    def stand_in(self) -> bool:
        """Whether the image is only a stand-in for its labels."""
        return self.own.get(STAND_IN) is not None

    def channel_name(self, name: str, channel: int | None) -> str:
        """Name of the layer of one channel."""
        names = self._channel_names()
        suffix = " probability" if self.is_probability else ""
        if channel is None:
            return f"{name} {names[0]}{suffix}" if suffix and len(names) == 1 else f"{name}{suffix}"
        return f"{name} {names[channel] if channel < len(names) else channel}{suffix}"

    def _channel_names(self) -> Sequence[str]:
        omero = self.ome.get("omero")
        channels = omero.get("channels", ()) if isinstance(omero, Mapping) else ()
        return [str(c.get("label", i)) for i, c in enumerate(channels)]

    def limits(self, dtype: np.dtype[Any]) -> tuple[float, float]:
        """Contrast limits of a probability from 0 to 1."""
        return (0.0, 255.0) if dtype == np.uint8 else (0.0, 1.0)

    def origin_nm(self, voxel_size_nm: tuple[float, float, float]) -> tuple[float, float, float]:
        """World position (z, y, x) of the first voxel of level 0; zeros where none is stated.

        The translation is in the units of the scale, whatever they are, so the voxel size converts it.
        """
        steps = self._level_zero_steps()
        scale, shift = steps.get("scale"), steps.get("translation")
        axes = [a["name"] for a in self.ome["multiscales"][0]["axes"]] if scale and shift else []
        place = {
            name: t / s * v
            for name, s, t in zip(axes, scale or (), shift or (), strict=True)
            if (v := dict(zip("zyx", voxel_size_nm, strict=True)).get(name)) is not None
        }
        return place.get("z", 0.0), place.get("y", 0.0), place.get("x", 0.0)

    def _level_zero_steps(self) -> dict[str, list[float]]:
        try:
            steps = self.ome["multiscales"][0]["datasets"][0]["coordinateTransformations"]
            return {step["type"]: step[step["type"]] for step in steps}
        except (KeyError, IndexError, TypeError):
            return {}


def is_zarr_folder(folder: Path) -> bool:
    """Whether a folder is a Zarr group or array, judged by the names in it."""
    return any((folder / name).is_file() for name in _MARKERS)


def group_facts(folder: Path) -> GroupFacts:
    """The attributes of a Zarr folder; empty for plain arrays and folders without any."""
    try:
        attributes = dict(zarr.open(folder, mode="r").attrs)
    except (OSError, ValueError, KeyError):
        return GroupFacts()
    inner = attributes.get("ome", attributes)
    own = attributes.get(_OWN, {})
    return GroupFacts(inner if isinstance(inner, dict) else {}, own if isinstance(own, dict) else {})


def label_names(folder: Path) -> tuple[str, ...]:
    """Names of the label images of an OME-Zarr image; those of classes last."""
    listed = group_facts(folder / "labels").ome.get("labels", ()) if is_zarr_folder(folder / "labels") else ()
    names = [str(n) for n in listed if is_zarr_folder(folder / "labels" / str(n))]
    return tuple(sorted(names, key=lambda n: n == "classes"))
