"""An output of ours in words, finished or not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_nnunet_em.quantities import count, duration, extent, memory, rate

if TYPE_CHECKING:
    from napari_nnunet_em.pipeline import SegmentationResult


def result_facts(result: SegmentationResult) -> list[tuple[str, str]]:
    """What a job has found and how it ran, as lines of name and value."""
    facts = []
    for found in result.objects:
        facts += [(found.name.capitalize(), count(found.count, "object")), ("Table", str(found.table))]
    return [
        *facts,
        ("Voxel size", f"{extent(result.voxel_size_nm)} nm (z, y, x; {result.voxel_size_source})"),
        ("Speed", rate(result.voxels_per_second) if result.voxels_per_second else ""),
        ("Time", duration(result.seconds)),
        ("Network", result.runner),
        ("Peak memory", memory(result.peak_memory_bytes)),
        ("Output", str(result.store)),
    ]


def store_document(store: Path) -> dict[str, Any]:
    """What an output remembers of its job.

    Returns
    -------
    dict
        ``store``, ``finished``, ``voxels`` and ``voxels_done`` of the prediction, ``job``, ``identity``,
        ``started``, ``versions``, ``notes``, and ``result`` (None until the job has finished).

    Raises
    ------
    OutputError
        If it cannot be read.
    """
    from napari_nnunet_em.pipeline.journal import JobFolder  # noqa: PLC0415

    folder = JobFolder(store)
    begun = folder.load("job") or {}
    result = folder.load("result")
    return {
        "store": store,
        "finished": result is not None,
        "voxels": _region_voxels(begun),
        "voxels_done": sum(box.size for box in folder.finished_blocks()),
        **{name: begun.get(name) for name in ("job", "identity", "started", "versions", "notes")},
        "result": result,
    }


def store_facts(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The same as lines of name and value, for a person."""
    job, model = document["job"], document["identity"]["model"]
    facts = [
        ("Result", str(document["store"])),
        ("State", _state(document)),
        (
            "Input",
            f"{job['input']['path']}, {extent(document['identity']['input']['shape'])} voxels (z, y, x)",
        ),
        ("Region", job["prediction"]["region"] or "whole volume"),
        ("Model", f"{job['model']['path']}, {model['configuration']}, folds {', '.join(model['folds'])}"),
        ("Prediction", f"overlap {job['prediction']['overlap']:g}, flips {job['prediction']['tta']}"),
        ("Objects", _object_words(job["instances"])),
        ("Started", str(document["started"])),
        ("Versions", ", ".join(f"{name} {version}" for name, version in document["versions"].items())),
        ("Notes", "\n".join(document["notes"])),
    ]
    if document["finished"]:
        from napari_nnunet_em.pipeline import load_result  # noqa: PLC0415

        said = ("Output", "Voxel size")  # above, and among the notes
        facts += [fact for fact in result_facts(load_result(document["store"])) if fact[0] not in said]
    return facts


def _region_voxels(begun: Mapping[str, Any]) -> int:
    from napari_nnunet_em.config import PredictionSettings  # noqa: PLC0415

    if not begun:
        return 0
    region = PredictionSettings.model_validate(begun["job"]["prediction"]).region
    return region.size if region else math.prod(begun["identity"]["input"]["shape"])


def _state(document: Mapping[str, Any]) -> str:
    if document["finished"]:
        return "finished"
    percent = 100 * document["voxels_done"] // max(document["voxels"], 1)
    return f"{percent} % predicted, not finished; the same segment command continues it"


def _object_words(settings: Mapping[str, Any]) -> str:
    if not settings["enabled"]:
        return "not asked for"
    words = f"threshold {settings['threshold']:g}, connectivity {settings['connectivity']}"
    words += f", from {count(settings['min_voxels'], 'voxel')}"
    return words + (f", from {settings['min_volume_um3']:g} µm³" if settings["min_volume_um3"] else "")
