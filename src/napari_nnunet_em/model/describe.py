"""A model in plain values, as ``info`` shows it."""

from __future__ import annotations

from dataclasses import asdict

from napari_nnunet_em.model.bundle import ModelBundle


def describe(bundle: ModelBundle) -> dict[str, object]:
    """Everything a person wants to know of a model, as values that JSON can hold.

    Returns
    -------
    dict
        In reading order; spacing, patch and flips in order of the network's axes.
    """
    return {
        "name": bundle.name,
        "target": bundle.target,
        "root": str(bundle.root),
        "dataset": bundle.dataset_name,
        "trainer": bundle.trainer,
        "plans": bundle.plans_name,
        "configuration": bundle.configuration,
        "available": [choice.full_name for choice in bundle.available],
        "folds": list(bundle.folds),
        "default_folds": list(bundle.resolve_folds(None)),
        "checkpoint": bundle.checkpoints[0].name,
        "channels": list(bundle.channel_names),
        "classes": [asdict(info) for info in bundle.classes],
        "regions": bundle.has_regions,
        "patch_size": list(bundle.patch_size),
        "spacing": list(bundle.spacing),
        "transpose": list(bundle.transpose_forward),
        "normalization": [asdict(scheme) for scheme in bundle.normalization],
        "resampling": asdict(bundle.resampling),
        "mirror_axes": list(bundle.mirror_axes),
        "image_reader_writer": bundle.image_reader_writer,
        "licence": bundle.licence,
        "notes": list(bundle.notes),
    }
