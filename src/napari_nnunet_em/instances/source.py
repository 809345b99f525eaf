"""What instances are made from: stored probabilities, read box by box."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.errors import InputError
from napari_nnunet_em.geometry import Box, Shape, as_shape
from napari_nnunet_em.instances.threshold import is_bytes, object_voxels


class StoredArray(Protocol):
    """A lazy array such as a `zarr.Array`: shape, dtype, and reading by slices."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Extent along each axis."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""
        ...

    def __getitem__(self, key: Any) -> Any:
        """Read a part as a NumPy array."""
        ...


@dataclass(frozen=True, eq=False)
class ClassProbability:
    """What one class's objects are made from.

    Attributes
    ----------
    probability : StoredArray, (z, y, x) or (c, z, y, x), uint8 or float
        Stored probabilities.
    channel : int
        Which channel, where there are several.
    classes : StoredArray, (z, y, x), integer, or None
        Most probable class, for several foreground classes that exclude each other.
    class_value : int
        Value of the class in `classes`.
    boundary : int or None
        Channel of the class that marks the boundary between objects, where there is one.
    """

    probability: StoredArray
    channel: int = 0
    classes: StoredArray | None = None
    class_value: int = 0
    boundary: int | None = None

    def __post_init__(self) -> None:
        is_bytes(self.probability.dtype)
        if self.classes is not None and tuple(self.classes.shape) != self.shape:
            raise InputError(
                f"The classes have {tuple(self.classes.shape)} voxels and the probabilities {self.shape}: "
                "they do not belong to the same prediction."
            )

    @property
    def shape(self) -> Shape:
        """Voxels along z, y and x."""
        return as_shape(self.probability.shape[-3:])

    def read(self, box: Box, threshold: float) -> tuple[NDArray[np.bool_], NDArray[Any]]:
        """Voxels of objects, and their probabilities as stored, both (z, y, x) of the box."""
        probability = self.read_class(box)
        classes = None if self.classes is None else np.asarray(self.classes[box.slices])
        return object_voxels(probability, threshold, classes, self.class_value), probability

    def read_class(self, box: Box) -> NDArray[Any]:
        """Probability of the class as stored, (z, y, x) of the box."""
        return self._channel(self.channel, box)

    def read_boundary(self, box: Box) -> NDArray[Any] | None:
        """Probability of the boundary class as stored, (z, y, x) of the box; None where there is none."""
        return None if self.boundary is None else self._channel(self.boundary, box)

    def in_memory(self, box: Box) -> ClassProbability:
        """The same for a box alone, read at once, (z, y, x)."""
        probability, boundary = self.read_class(box), self.read_boundary(box)
        classes = None if self.classes is None else np.asarray(self.classes[box.slices])
        if boundary is None:
            return ClassProbability(probability, 0, classes, self.class_value)
        return ClassProbability(np.stack([probability, boundary]), 0, classes, self.class_value, 1)

    def other_classes(self, box: Box) -> NDArray[np.bool_] | None:
        """Where classes are that exclude this one, (z, y, x) of the box; None where none do."""
        if self.classes is None:
            return None
        classes = np.asarray(self.classes[box.slices])
        others: NDArray[np.bool_] = (classes != 0) & (classes != self.class_value)
        return others

    def _channel(self, channel: int, box: Box) -> NDArray[Any]:
        key = box.slices if len(self.probability.shape) == 3 else (channel, *box.slices)
        return np.asarray(self.probability[key])
