"""Objects from a probability of somebody else's: what is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.config import InstanceSettings
from napari_nnunet_em.errors import InputError, SettingsError
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.instances import ClassProbability
from napari_nnunet_em.io import Volume
from napari_nnunet_em.pipeline.prediction import settled_origin


@dataclass(frozen=True, eq=False)
class LabelJob:
    """Objects from a probability of somebody else's, written to an output of their own.

    Attributes
    ----------
    probability : Volume
        One channel, uint8 (0 to 255) or floats, with its voxel size.
    settings : InstanceSettings
        How objects are made.
    store : pathlib.Path
        The OME-Zarr to write: new, or made of the same probability before.
    """

    probability: Volume
    settings: InstanceSettings
    store: Path

    @property
    def source(self) -> ClassProbability:
        """What objects are made of."""
        return volume_probability(self.probability)

    @property
    def voxel_size_nm(self) -> tuple[float, float, float]:
        """Voxel size; raises `SettingsError` where it is unknown."""
        size = self.probability.voxel_size_nm
        if size is None:
            raise SettingsError(
                "The voxel size of the probability is unknown, and OME-Zarr stores one: give the voxel size."
            )
        return size

    @property
    def origin_nm(self) -> tuple[float, float, float]:
        """Where its first voxel lies, (z, y, x)."""
        return settled_origin(self.store, self.probability.origin_nm or (0.0, 0.0, 0.0))

    def identity(self) -> dict[str, Any]:
        """What makes another job write to the same output."""
        return {
            "probability": {
                "content": self.probability.fingerprint(),
                "shape": list(self.probability.shape),
                "voxel_size_nm": list(self.voxel_size_nm),
            }
        }


def volume_probability(volume: Volume) -> ClassProbability:
    """A volume as what objects are made of.

    Parameters
    ----------
    volume : Volume
        One channel, uint8 (0 to 255) or floats.

    Raises
    ------
    InputError
        For several channels, or another type.
    """
    if volume.channels != 1:
        raise InputError(
            f"{volume.origin} has {volume.channels} channels, but objects are made from one: choose one."
        )
    return ClassProbability(_OneChannel(volume))


@dataclass(frozen=True, eq=False)
class _OneChannel:
    """A volume as a (z, y, x) array."""

    volume: Volume

    @property
    def shape(self) -> tuple[int, ...]:
        return self.volume.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.volume.dtype

    def __getitem__(self, key: Any) -> NDArray[Any]:
        z, y, x = key
        voxels: NDArray[Any] = self.volume.read(Box((z.start, y.start, x.start), (z.stop, y.stop, x.stop)))[0]
        return voxels
