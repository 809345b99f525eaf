"""The one headless door to everything: a job goes in, progress comes out, an OME-Zarr is left behind."""

from napari_nnunet_em.pipeline.deleting import delete_objects
from napari_nnunet_em.pipeline.job_plan import JobPlan
from napari_nnunet_em.pipeline.lazy import predict
from napari_nnunet_em.pipeline.plan import plan_job, plan_open_job
from napari_nnunet_em.pipeline.result import ClassResult, SegmentationResult, load_result
from napari_nnunet_em.pipeline.segment import run, segment

__all__ = [
    "ClassResult",
    "JobPlan",
    "SegmentationResult",
    "delete_objects",
    "load_result",
    "plan_job",
    "plan_open_job",
    "predict",
    "run",
    "segment",
]
