"""Random numbers that belong to coordinates instead of to an order of calls.

A counter-based generator (the finaliser of SplitMix64, applied once per coordinate): integer arithmetic
alone, so it gives the same numbers on every platform and with every version of NumPy, in any thread and
for any box.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from napari_nnunet_em.geometry import Box

_STEP = 0x9E3779B97F4A7C15
_LANES = 4  # 16-bit numbers per 64-bit hash

Words = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]


def _mix(words: Words) -> Words:
    """Scramble 64-bit words; overwrites its argument, which every caller has just made."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        words ^= words >> np.uint64(shift)
        words *= np.uint64(factor)
    words ^= words >> np.uint64(31)
    return words


def hash_coordinates(seed: int, stream: int, *coordinates: npt.ArrayLike) -> Words:
    """Hash integer coordinates to 64 well-mixed bits.

    Parameters
    ----------
    seed : int
        Any integer; its lowest 64 bits count.
    stream : int
        Tells apart the uses of one seed.
    *coordinates : array of int
        Broadcast against each other; negative values are fine.

    Returns
    -------
    array of uint64, of the broadcast shape, at least 1D
    """
    words = _mix(np.array([seed & 0xFFFFFFFFFFFFFFFF], np.uint64) + np.uint64((stream * _STEP) % 2**64))
    for coordinate in coordinates:
        steps = np.asarray(coordinate, np.int64).astype(np.uint64) * np.array([_STEP], np.uint64)
        words = _mix(words + steps)
    return words


def uniform(words: Words) -> Floats:
    """Numbers strictly between 0 and 1, float64, one per hash."""
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53 + 2.0**-54


def normal(words: Words) -> Floats:
    """Normally distributed numbers, mean 0 and standard deviation 1, float64, one per hash."""
    values: Floats = np.asarray(ndtri(uniform(words)), np.float64)
    return values


def lattice_lanes(seed: int, stream: int, box: Box) -> npt.NDArray[np.uint16]:
    """Independent 16-bit numbers, one for each voxel of `box`: array, (z, y, x), uint16."""
    (z0, y0, x0), (z1, y1, x1) = box.start, box.stop
    first, last = x0 // _LANES, -(-x1 // _LANES)
    words = hash_coordinates(
        seed,
        stream,
        np.arange(z0, z1)[:, None, None],
        np.arange(y0, y1)[None, :, None],
        np.arange(first, last)[None, None, :],
    )
    # The byte order is fixed so that big-endian machines see the same phantom.
    lanes = words.astype("<u8", copy=False).view("<u2").astype(np.uint16, copy=False)
    offset = x0 - first * _LANES
    return lanes[..., offset : offset + box.shape[2]]


@lru_cache(maxsize=1)
def _normal_table() -> npt.NDArray[np.float32]:
    return np.asarray(ndtri((np.arange(65536) + 0.5) / 65536), np.float32)


def white_noise(seed: int, stream: int, box: Box) -> npt.NDArray[np.float32]:
    """White noise of unit standard deviation, one normal number per voxel: array, (z, y, x), float32."""
    noise: npt.NDArray[np.float32] = _normal_table()[lattice_lanes(seed, stream, box)]
    return noise


def uniform_between(words: Words, bounds: Sequence[float]) -> Floats:
    """Numbers evenly spread between two bounds, float64, one per hash."""
    low, high = bounds
    return low + (high - low) * uniform(words)
