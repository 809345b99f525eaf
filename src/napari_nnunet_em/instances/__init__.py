"""From probabilities to objects: labels and a table of what was found."""

from napari_nnunet_em.instances.segment import (
    FoundObjects,
    InstanceTask,
    find_objects,
    segment_instances,
    write_labels,
)
from napari_nnunet_em.instances.source import ClassProbability, StoredArray
from napari_nnunet_em.instances.threshold import is_above, object_voxels
from napari_nnunet_em.measurement import ObjectTable, Placement

__all__ = [
    "ClassProbability",
    "FoundObjects",
    "InstanceTask",
    "ObjectTable",
    "Placement",
    "StoredArray",
    "find_objects",
    "is_above",
    "object_voxels",
    "segment_instances",
    "write_labels",
]
