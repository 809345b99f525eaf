"""The phantom as an image: tissue, vesicles, optics and noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from napari_nnunet_em.errors import SettingsError
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.testing.phantom.array import PhantomArray, PhantomPart
from napari_nnunet_em.testing.phantom.hashing import lattice_lanes, white_noise
from napari_nnunet_em.testing.phantom.space import Field
from napari_nnunet_em.testing.phantom.style import PhantomStyle
from napari_nnunet_em.testing.phantom.tissue import Tissue

_CHUNKS = (16, 128, 128)

_STREAM_VESICLES = 5
_STREAM_NOISE = 6

_VESICLE_SIGMA = (1.0, 1.8, 1.8)
_VESICLE_RADIUS = (2, 4, 4)
_VESICLE_LEVEL = 0.008
_VESICLE_CLEARANCE_NM = 60.0
_NOISE_SIGMA = (0.0, 0.5, 0.5)
_NOISE_RADIUS = (0, 2, 2)


@dataclass(frozen=True)
class Phantom:
    """An endless EM volume with known mitochondria; stateless, so any thread or process may evaluate any box.

    Attributes
    ----------
    seed : int
        Which volume.
    voxel_size_nm : tuple of float, (z, y, x)
        Voxel size; the tissue keeps its size in nm.
    style : PhantomStyle
        Grey levels, sizes and densities.

    Notes
    -----
    Coordinates may be negative. With the default style the domain is +-480 um around the origin; ids are
    unique and stable within it, and beyond it `SettingsError` is raised.
    """

    seed: int = 0
    voxel_size_nm: tuple[float, float, float] = (40.0, 8.0, 8.0)
    style: PhantomStyle = field(default_factory=PhantomStyle)

    def __post_init__(self) -> None:
        if not all(math.isfinite(v) and v > 0 for v in self.voxel_size_nm):
            raise SettingsError(
                f"The voxel size {self.voxel_size_nm} is not usable: give three positive lengths in nm, "
                "along z, y and x."
            )

    def block(self, box: Box) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint32]]:
        """Evaluate a box of voxels.

        Parameters
        ----------
        box : Box
            Voxels, anywhere in the domain.

        Returns
        -------
        raw : array, (z, y, x), uint8
        ids : array, (z, y, x), uint32
            One number for each mitochondrion, 0 elsewhere. The rule that keeps mitochondria off the border
            of their cell, or the border of a box, may cut one into several parts; see `connected_truth`.
        """
        blur, blur_radius = self._optics()
        soft = box.grow(blur_radius)
        tissue = Tissue.in_box(self.seed, soft, self.voxel_size_nm, self.style)
        tissue.grey[self._vesicles(soft, tissue)] = self.style.vesicle
        grey = _smooth(tissue.grey, blur, blur_radius)
        grey += np.float32(self.style.noise) * self._noise(box)
        inner = Box.whole(box.shape).shift(blur_radius)
        return np.clip(grey, 0, 255).astype(np.uint8), tissue.ids[inner.slices].copy()

    def ids(self, box: Box) -> npt.NDArray[np.uint32]:
        """Only the ids of `block`, without the time that the image takes."""
        return Tissue.in_box(self.seed, box, self.voxel_size_nm, self.style).ids

    def raw(self, shape: Sequence[int], chunks: Sequence[int] = _CHUNKS) -> PhantomArray:
        """The image from the origin to `shape`, (z, y, x), as a lazy array of uint8."""
        return PhantomArray.of(self, PhantomPart.RAW, shape, chunks)

    def truth(self, shape: Sequence[int], chunks: Sequence[int] = _CHUNKS) -> PhantomArray:
        """The ids from the origin to `shape`, (z, y, x), as a lazy array of uint32; see `block`."""
        return PhantomArray.of(self, PhantomPart.IDS, shape, chunks)

    def _optics(self) -> tuple[tuple[float, float, float], tuple[int, int, int]]:
        """Sigma of the blur and radius of its kernel, in voxels."""
        sigma = self.style.blur_voxels
        across, within = round(2 * sigma), round(4 * sigma)
        return (sigma / 2, sigma, sigma), (across, within, within)

    def _vesicles(self, box: Box, tissue: Tissue) -> npt.NDArray[np.bool_]:
        """Where vesicles are: blobs around sparse random voxels, in cytoplasm away from membranes."""
        lanes = lattice_lanes(self.seed, _STREAM_VESICLES, box.grow(_VESICLE_RADIUS))
        seeds = (lanes < round(self.style.vesicle_share * 65536)).astype(np.float32)
        blobs = _smooth(seeds, _VESICLE_SIGMA, _VESICLE_RADIUS) > _VESICLE_LEVEL
        place: npt.NDArray[np.bool_] = blobs & (tissue.ids == 0) & (tissue.gap_nm > _VESICLE_CLEARANCE_NM)
        return place

    def _noise(self, box: Box) -> Field:
        """Slightly smoothed white noise."""
        return _smooth(
            white_noise(self.seed, _STREAM_NOISE, box.grow(_NOISE_RADIUS)), _NOISE_SIGMA, _NOISE_RADIUS
        )


def _smooth(image: Field, sigma: Sequence[float], radius: Sequence[int]) -> Field:
    """Gaussian filter, (z, y, x) float32, that returns only the voxels whose whole kernel lies in `image`."""
    smoothed = gaussian_filter(image, sigma, radius=tuple(radius), output=np.float32)
    inner = tuple(slice(r, n - r) for r, n in zip(radius, image.shape, strict=True))
    valid: Field = smoothed[inner]
    return valid
