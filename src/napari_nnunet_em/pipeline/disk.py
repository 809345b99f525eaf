"""How much a job writes, known before it begins."""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_nnunet_em.config import ProbabilityType
from napari_nnunet_em.engine.layout import Layout
from napari_nnunet_em.engine.output import Encoder
from napari_nnunet_em.io import Kind, SinkSpec
from napari_nnunet_em.pipeline.consensus import scratch_dtype
from napari_nnunet_em.pipeline.opening import OpenJob
from napari_nnunet_em.pipeline.prediction import image_spec, writes_classes

# Shares that compression leaves, measured on an SBEM volume (docs/how-to/plan.md). Floats are taken to stay
# as they are: the last digits of probabilities are noise.
_PROBABILITY_SHARE = 0.1
_LABELS_SHARE = 0.012
# Where the runs of each object lie, compressed (docs/explanation/memory.md).
_RUNS_BYTES_PER_VOXEL = 0.05


@dataclass(frozen=True)
class DiskUse:
    """Bytes that a job writes.

    Attributes
    ----------
    most : int
        The output, as if nothing could be compressed: it cannot get larger.
    expected : int
        The output, with the compression that was measured for mitochondria.
    scratch : int
        At most beside the output, until the job has finished.
    free : int
        Left on the disk of the output.
    """

    most: int
    expected: int
    scratch: int
    free: int


def disk_use(opened: OpenJob, layout: Layout) -> DiskUse:
    """Count what a job writes.

    Parameters
    ----------
    opened : OpenJob
        The job.
    layout : Layout
        How its output is cut.
    """
    image, labels = _image_bytes(opened, layout), _labels_bytes(opened, layout)
    compressible = opened.job.output.probability_type is ProbabilityType.UINT8
    expected = (_PROBABILITY_SHARE if compressible else 1) * image + _LABELS_SHARE * labels
    return DiskUse(image + labels, int(expected), _scratch_bytes(opened), free_bytes(opened.job.store))


def _image_bytes(opened: OpenJob, layout: Layout) -> int:
    encoder = Encoder.of(opened.bundle, opened.job.output.probability_type)
    names = tuple(c.name for c in opened.bundle.classes)
    return _levels_bytes(image_spec(opened, layout, encoder.dtype, Kind.IMAGE, names))


def _labels_bytes(opened: OpenJob, layout: Layout) -> int:
    encoder = Encoder.of(opened.bundle, opened.job.output.probability_type)
    dtypes = [np.dtype(encoder.classes_dtype)] if writes_classes(opened) else []
    if opened.job.instances.enabled:
        dtypes += [np.dtype(np.uint32)] * len(opened.bundle.classes)
    return sum(_levels_bytes(image_spec(opened, layout, dtype, Kind.LABELS)) for dtype in dtypes)


def _levels_bytes(spec: SinkSpec) -> int:
    voxels = sum(math.prod(level.shape) for level in spec.plan())
    return voxels * max(spec.channels, 1) * spec.dtype.itemsize


def _scratch_bytes(opened: OpenJob) -> int:
    classes, voxels = len(opened.bundle.classes), opened.region.size
    waiting = scratch_dtype(opened.job.output.probability_type).itemsize * (len(opened.orientations) - 1)
    runs = _RUNS_BYTES_PER_VOXEL if opened.job.instances.enabled else 0
    # Parts are deleted before objects are looked for, class by class.
    return int(voxels * max(classes * waiting, runs))


def free_bytes(path: Path) -> int:
    """Free space where a file of this path would be written."""
    folder = path.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free
