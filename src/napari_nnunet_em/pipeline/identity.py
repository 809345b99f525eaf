"""What makes two jobs the same: everything that changes the answer, and nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from napari_nnunet_em.config import Job
from napari_nnunet_em.io import Volume
from napari_nnunet_em.model import ModelBundle


def prediction_identity(
    job: Job, volume: Volume, bundle: ModelBundle, folds: Sequence[str]
) -> dict[str, Any]:
    """Everything that decides the stored probabilities, as plain JSON values.

    Where files lie, and how much memory or which device is used, is left out on purpose: a job may be moved
    and continued elsewhere.
    """
    return {
        "input": {
            "content": volume.fingerprint(),
            "shape": list(volume.shape),
            "voxel_size_nm": list(volume.voxel_size_nm or ()),
        },
        "model": {
            "content": bundle.digest(folds),
            "configuration": bundle.configuration,
            "folds": list(folds),
            "spacing_unit": job.model.spacing_unit.value,
        },
        "prediction": job.prediction.model_dump(mode="json", exclude={"preset"}),  # only a name
        "output": {
            "probability_type": job.output.probability_type.value,
            "classes": job.output.classes,
            "ome_zarr_version": job.output.ome_zarr_version.value,
        },
    }


def digest(document: Mapping[str, Any]) -> str:
    """Sha256 of the canonical JSON of plain values."""
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def differences(there: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """One phrase for each setting in which two identities differ."""
    old, new = dict(_flat(there)), dict(_flat(now))
    return [
        f"{key} ({_short(old.get(key))} there, {_short(new.get(key))} now)"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    ]


def _flat(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in document.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _short(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 24 else f"{text[:12]}…"
