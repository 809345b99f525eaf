"""From probabilities to objects: labels and a table of what was found."""

from napari_nnunet_em.instances.found import FoundObjects, in_blocks_note, write_labels
from napari_nnunet_em.instances.segment import InstanceTask, Segmented, find_objects, segment_instances
from napari_nnunet_em.instances.source import ClassProbability, StoredArray
from napari_nnunet_em.instances.splitting.split import split_object
from napari_nnunet_em.instances.threshold import is_above, object_voxels
from napari_nnunet_em.measurement import ObjectTable, Placement

__all__ = [
    "ClassProbability",
    "FoundObjects",
    "InstanceTask",
    "ObjectTable",
    "Placement",
    "Segmented",
    "StoredArray",
    "find_objects",
    "in_blocks_note",
    "is_above",
    "object_voxels",
    "segment_instances",
    "split_object",
    "write_labels",
]
