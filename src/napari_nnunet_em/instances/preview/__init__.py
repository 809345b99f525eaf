"""Objects of a small part of a volume, found as a job would find them, while settings are tuned."""

from napari_nnunet_em.instances.preview.evidence import SplitEvidence
from napari_nnunet_em.instances.preview.preview import preview_objects, preview_steps
from napari_nnunet_em.instances.preview.request import Preview, PreviewRequest
from napari_nnunet_em.instances.preview.sizes import SizeHistogram, size_histogram
from napari_nnunet_em.instances.preview.stages import PreviewCache

__all__ = [
    "Preview",
    "PreviewCache",
    "PreviewRequest",
    "SizeHistogram",
    "SplitEvidence",
    "preview_objects",
    "preview_steps",
    "size_histogram",
]
