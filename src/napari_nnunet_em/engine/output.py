"""From blended logits to stored probabilities and classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from napari_nnunet_em.config import ProbabilityType
from napari_nnunet_em.engine.resample import apply_axis
from napari_nnunet_em.engine.space import ModelSpace
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.model import ModelBundle


def logits_to_cropped(space: ModelSpace, logits: NDArray[np.float32], box: Box) -> NDArray[np.float32]:
    """Resample logits back to the voxels of the cropped volume.

    Parameters
    ----------
    space : ModelSpace
        The grids.
    logits : array, (heads, z, y, x), float32
        Exactly the padded voxels of ``space.to_padded(box)``.
    box : Box
        Cropped voxels wanted.

    Returns
    -------
    array, (heads, z, y, x), float32
    """
    if space.back.identity:
        return logits
    separate = space.back.separate_axis
    order = [a for a in (0, 1, 2) if a != separate] + ([] if separate is None else [separate])
    for axis in order:
        logits = apply_axis(logits, space.back.axes[axis], axis + 1, box.start[axis], box.stop[axis])
    return logits


@dataclass(frozen=True)
class Encoder:
    """nnU-Net's activation and label rule, and how the result is stored.

    Attributes
    ----------
    probability_type : ProbabilityType
        Stored type; uint8 is the probability times 255, rounded.
    regions : tuple of int or None
        For models with regions (sigmoid outputs), the label that each region paints, in painting order;
        None for ordinary classes (softmax outputs).
    class_count : int
        Foreground classes or regions.
    classes_dtype : numpy.dtype
        Type of the class image.
    """

    probability_type: ProbabilityType
    regions: tuple[int, ...] | None
    class_count: int
    classes_dtype: np.dtype[np.unsignedinteger]

    @classmethod
    def of(cls, bundle: ModelBundle, probability_type: ProbabilityType) -> Encoder:
        """Encoder for the outputs of a model."""
        regions = tuple(c.value for c in bundle.classes) if bundle.has_regions else None
        highest = max(regions) if regions else len(bundle.classes)
        dtype: np.dtype[np.unsignedinteger] = np.dtype(np.uint8 if highest < 256 else np.uint16)
        return cls(probability_type, regions, len(bundle.classes), dtype)

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of the stored probabilities."""
        return np.dtype(self.probability_type.value)

    def empty(self, shape: tuple[int, ...]) -> tuple[NDArray[np.generic], NDArray[np.unsignedinteger]]:
        """Probabilities (classes, z, y, x) and classes (z, y, x) of voxels outside the non-zero box."""
        return np.zeros((self.class_count, *shape), self.dtype), np.zeros(shape, self.classes_dtype)

    def encode(self, logits: NDArray[np.float32]) -> tuple[NDArray[np.generic], NDArray[np.unsignedinteger]]:
        """Turn logits into what is stored.

        Parameters
        ----------
        logits : array, (classes, z, y, x), float32
            Of the regions, or of the foreground classes relative to the background: only differences of
            logits count in a softmax.

        Returns
        -------
        probabilities : array, (classes, z, y, x), in `dtype`
            Of the foreground classes or regions.
        classes : array, (z, y, x), unsigned
            Label of each voxel: the most probable class, or the last region above 0.5
            (``LabelManager.convert_probabilities_to_segmentation`` in nnU-Net).
        """
        if self.regions is not None:
            probabilities = expit(logits)
            return self._store(probabilities), self._painted(probabilities, self.regions)
        return self._store(_relative_softmax(logits)), self._highest(
            logits, np.zeros(logits.shape[1:], np.float32)
        )

    def encode_probabilities(
        self, probabilities: NDArray[np.float32]
    ) -> tuple[NDArray[np.generic], NDArray[np.unsignedinteger]]:
        """Turn probabilities, as of several predictions averaged, into what is stored.

        Parameters
        ----------
        probabilities : array, (classes, z, y, x), float32
            Of the foreground classes or regions.

        Returns
        -------
        probabilities, classes
            As those of `encode`; the background of ordinary classes has what the others leave of 1.
        """
        if self.regions is not None:
            return self._store(probabilities), self._painted(probabilities, self.regions)
        background = np.float32(1) - probabilities.sum(axis=0)
        return self._store(probabilities), self._highest(probabilities, background)

    def _highest(
        self, foreground: NDArray[np.float32], background: NDArray[np.float32]
    ) -> NDArray[np.unsignedinteger]:
        """Place of the highest value, 0 being the background, which wins ties; overwrites `background`."""
        if len(foreground) == 1:
            return np.asarray(foreground[0] > background, self.classes_dtype)
        classes = np.zeros(background.shape, self.classes_dtype)
        for index, value in enumerate(foreground, 1):
            better = value > background
            classes[better] = index
            background[better] = value[better]
        return classes

    def _painted(
        self, probabilities: NDArray[np.float32], labels: tuple[int, ...]
    ) -> NDArray[np.unsignedinteger]:
        classes = np.zeros(probabilities.shape[1:], self.classes_dtype)
        for probability, label in zip(probabilities, labels, strict=True):
            classes[probability > 0.5] = label
        return classes

    def _store(self, probabilities: NDArray[np.float32]) -> NDArray[np.generic]:
        if self.probability_type is ProbabilityType.UINT8:
            return np.asarray(np.rint(probabilities * np.float32(255)), np.uint8)
        return np.asarray(probabilities, self.dtype)


def _relative_softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Softmax over the classes and a background whose logit is 0, without the background."""
    if len(logits) == 1:
        return np.asarray(expit(logits))
    highest = np.maximum(logits.max(axis=0, keepdims=True), 0)
    powers = np.exp(logits - highest)
    result: NDArray[np.float32] = powers / (powers.sum(axis=0, keepdims=True) + np.exp(-highest))
    return result
