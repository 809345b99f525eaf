"""Runs the demo: sample, segmentation, scores, picture."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from napari_nnunet_em.config import InputSettings, InstanceSettings, Job, ModelSettings, OutputSettings
from napari_nnunet_em.demo.picture import overlay_picture
from napari_nnunet_em.demo.report import DemoReport
from napari_nnunet_em.demo.sample import DemoSample
from napari_nnunet_em.errors import OutputError
from napari_nnunet_em.evaluation import evaluate_instances
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import open_volume
from napari_nnunet_em.pipeline import SegmentationResult, load_result, segment
from napari_nnunet_em.progress import CancelToken, ProgressEvent
from napari_nnunet_em.quantities import extent


def run_demo(
    output: Path,
    *,
    report: Callable[[str], None],
    progress: Callable[[ProgressEvent], None] | None = None,
    cancel: CancelToken | None = None,
    sample: DemoSample | None = None,
) -> DemoReport:
    """Make a sample volume, segment it, compare with the truth, and draw both.

    What is finished is kept: running it again continues a demo that was stopped, and only scores and
    draws again where nothing is left to predict.

    Parameters
    ----------
    output : path
        Folder for all that is written; made where it is missing. It gets ``sample.zarr``,
        ``segmentation.zarr`` and ``overlay.png``; only an earlier demo's are replaced.
    report : callable
        Called with one line of text at the beginning of each step.
    progress : callable, optional
        Called with each event of the segmentation.
    cancel : CancelToken, optional
        Lets another thread, or a signal, stop the segmentation.
    sample : DemoSample, optional
        Another volume or model than the default ones.

    Returns
    -------
    DemoReport

    Raises
    ------
    OutputError
        If the folder holds files of somebody else under these names, or cannot be written.
    ModelError
        If there is no such model.
    Cancelled
        If the token said so.
    """
    started = time.perf_counter()
    sample = sample or DemoSample()
    output = Path(output)
    store = output / "sample.zarr"
    report(f"Making a sample volume of {extent(sample.shape)} voxels in {store}")
    raw, truth = sample.write(store)
    job = demo_job(sample, output)
    report(f"Segmenting it with {sample.model} into {job.store}")
    for event in segment(job, cancel=cancel):
        if progress is not None:
            progress(event)
    result = load_result(job.store)
    report("Comparing the objects with the truth")
    found = read_labels(result)
    scores = evaluate_instances(found, truth)
    overlay = output / "overlay.png"
    _save(overlay_picture(raw, truth, found, scores, sample.voxel_size_nm), overlay)
    return DemoReport(
        sample=store,
        segmentation=job.store,
        overlay=overlay,
        model=sample.model,
        objects_found=scores.true_positives + scores.false_positives,
        objects_true=scores.true_positives + scores.false_negatives,
        f1=scores.f1,
        precision=scores.precision,
        recall=scores.recall,
        voxels_per_second=result.voxels_per_second,
        peak_memory_bytes=result.peak_memory_bytes,
        seconds=time.perf_counter() - started,
    )


def demo_job(sample: DemoSample, output: Path) -> Job:
    """The job that the demo runs: the one a user would write, with every setting at its default."""
    return Job(
        input=InputSettings(path=str(output / "sample.zarr")),
        model=ModelSettings(path=sample.model),
        instances=InstanceSettings(min_voxels=sample.min_voxels),
        # The folder is the demo's own: another sample or model replaces what an earlier demo left.
        output=OutputSettings(path=str(output / "segmentation.zarr"), overwrite=True),
    )


def read_labels(result: SegmentationResult) -> npt.NDArray[np.integer[Any]]:
    """The label image of the first class of a result, (z, y, x); small enough to be read at once."""
    volume = open_volume(result.objects[0].labels)
    labels: npt.NDArray[np.integer[Any]] = volume.read(Box.whole(volume.shape))[0]
    return labels


def _save(picture: Image.Image, file: Path) -> None:
    try:
        picture.save(file)
    except OSError as error:
        raise OutputError(
            f"The picture {file} cannot be written ({error.strerror or error}): free space or check the "
            "permissions, then run the demo again; the segmentation is kept."
        ) from error
