"""nnU-Net's normalisation schemes, with the statistics of the whole volume instead of the array at hand.

Every scheme of nnU-Net is a clip followed by an affine map; only the constants differ. The rules are those of
``nnunetv2.preprocessing.normalization.default_normalization_schemes`` (2.8).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.engine.moments import Moments
from napari_nnunet_em.errors import InputError, ModelError

_EPSILON = 1e-8


@dataclass(frozen=True)
class Normalizer:
    """Normalisation of one channel: clip to ``low..high``, subtract `offset`, divide by `scale`.

    Attributes
    ----------
    offset, scale : float
        Constants of the affine map.
    low, high : float or None
        Range to which grey values are clipped first, if any.
    masked : bool
        Whether voxels outside the non-zero mask are left as they are (0).
    """

    offset: float = 0.0
    scale: float = 1.0
    low: float | None = None
    high: float | None = None
    masked: bool = False

    def apply(self, image: NDArray[np.generic], mask: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
        """Normalise one channel.

        Parameters
        ----------
        image : array, (z, y, x)
            Grey values as stored.
        mask : array, (z, y, x), bool, optional
            The non-zero mask with holes filled; needed when `masked`.

        Returns
        -------
        array, (z, y, x), float32
        """
        result = image.astype(np.float32)  # always a copy
        if self.low is not None or self.high is not None:
            np.clip(result, self.low, self.high, out=result)
        result -= np.float32(self.offset)
        result /= np.float32(self.scale)
        if self.masked and mask is not None:
            result[~mask] = image[~mask]
        return result

    def value(self, grey: float) -> float:
        """Normalise one grey value inside the mask."""
        return float(self.apply(np.array([grey], np.float32))[0])


Scheme = Callable[[Moments, Mapping[str, float], bool], Normalizer]


def _zscore(moments: Moments, _: Mapping[str, float], masked: bool) -> Normalizer:
    return Normalizer(moments.mean, max(moments.std, _EPSILON), masked=masked)


def _ct(_: Moments, properties: Mapping[str, float], __: bool) -> Normalizer:
    return Normalizer(
        properties["mean"],
        max(properties["std"], _EPSILON),
        properties["percentile_00_5"],
        properties["percentile_99_5"],
    )


def _none(_: Moments, __: Mapping[str, float], ___: bool) -> Normalizer:
    return Normalizer()


def _rescale(moments: Moments, _: Mapping[str, float], __: bool) -> Normalizer:
    return Normalizer(moments.low, max(moments.high - moments.low, _EPSILON))


def _rgb(moments: Moments, _: Mapping[str, float], __: bool) -> Normalizer:
    if moments.low < 0 or moments.high > 255:
        raise InputError(
            f"The model expects colours from 0 to 255, but the volume ranges from {moments.low:g} to "
            f"{moments.high:g}; convert it to 8 bit, or choose a model trained on such data."
        )
    return Normalizer(0.0, 255.0)


SCHEMES: Mapping[str, Scheme] = {
    "ZScoreNormalization": _zscore,
    "CTNormalization": _ct,
    "NoNormalization": _none,
    "RescaleTo01Normalization": _rescale,
    "RGBTo01Normalization": _rgb,
}


def make_normalizer(
    scheme: str, moments: Moments, properties: Mapping[str, float], *, masked: bool
) -> Normalizer:
    """Fix the constants of a normalisation scheme.

    Parameters
    ----------
    scheme : str
        Name in the plans, such as ``ZScoreNormalization``.
    moments : Moments
        Of the voxels over which the scheme takes its statistics: the cropped volume, or the mask.
    properties : mapping
        ``foreground_intensity_properties_per_channel`` of the plans for this channel.
    masked : bool
        ``use_mask_for_norm`` of the plans; only the z-score heeds it.

    Raises
    ------
    ModelError
        If the plans name a scheme that is not known here.
    InputError
        If the volume's values do not suit the scheme.
    """
    if scheme not in SCHEMES:
        raise ModelError(
            f"The model normalises with {scheme!r}, which is not supported; known are {', '.join(SCHEMES)}. "
            "A custom scheme has to be added to napari_nnunet_em.engine.normalize."
        )
    return SCHEMES[scheme](moments, properties, masked)
