"""Probabilities as a dask array: nothing is predicted until a chunk is asked for."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import Any

import dask.array as da
import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.config import (
    ExecutionSettings,
    InputSettings,
    Job,
    ModelSettings,
    OutputSettings,
    PredictionSettings,
    Settings,
)
from napari_nnunet_em.engine.planes import prepare_orientations
from napari_nnunet_em.engine.statistics import collect_statistics
from napari_nnunet_em.geometry import Box, as_shape
from napari_nnunet_em.io import Volume, open_volume
from napari_nnunet_em.pipeline.boxes import BoxPredictor
from napari_nnunet_em.pipeline.opening import OpenJob, open_job
from napari_nnunet_em.pipeline.running import open_job_runner
from napari_nnunet_em.progress import CancelToken, finish

_CHUNK = (16, 512, 512)


def predict(
    volume: Any,
    model: str | os.PathLike[str] = "mitochondria-3d",
    *,
    voxel_size_nm: Sequence[float] | None = None,
    chunks: Sequence[int] = _CHUNK,
    **settings: Any,
) -> da.Array:
    """Predict lazily, chunk by chunk.

    The values are those of a full run: the tile grid and the statistics of the whole volume are used, and
    the statistics are gathered (one pass over the volume) when the first chunk is computed. Neighbouring
    chunks share tiles that are predicted again for each of them; to segment a whole volume use `segment`.

    Parameters
    ----------
    volume : Volume, array-like or path
        The volume, or anything `open_volume` takes.
    model : str or path
        Name of an installed model, or a path.
    voxel_size_nm : sequence of float, (z, y, x), optional
        Voxel size; needed where the volume does not say.
    chunks : sequence of int, (z, y, x)
        Chunks of the result in voxels.
    **settings
        Any of `ModelSettings` (``folds``, ``configuration``, ...), `PredictionSettings` (``tta``,
        ``overlap``, ``region``, ``planes``) and `ExecutionSettings` (``device``, ...).

    Returns
    -------
    dask.array.Array, (c, z, y, x), float32
        Probabilities of the foreground classes. Compute it with the threaded scheduler (dask's default).

    Raises
    ------
    InputError, ModelError, SettingsError
        As `segment`.
    """
    opened = open_job(_job(model, settings), _as_volume(volume, voxel_size_nm))
    lazy = _LazyPrediction(opened)
    sizes = [
        tuple(min(c, n - a) for a in range(0, n, c)) for c, n in zip(chunks, opened.region.shape, strict=True)
    ]
    return da.map_blocks(
        lazy.block,
        chunks=((len(opened.bundle.classes),), *sizes),
        dtype=np.float32,
        meta=np.empty((0, 0, 0, 0), np.float32),
    )


def _as_volume(volume: Any, voxel_size_nm: Sequence[float] | None) -> Volume:
    if not isinstance(volume, Volume):
        return open_volume(volume, voxel_size_nm=voxel_size_nm)
    return volume if voxel_size_nm is None else volume.with_voxel_size(voxel_size_nm, "given by the caller")


def _job(model: str | os.PathLike[str], settings: dict[str, Any]) -> Job:
    kinds: dict[str, type[Settings]] = {
        "model": ModelSettings,
        "prediction": PredictionSettings,
        "execution": ExecutionSettings,
    }
    groups: dict[str, Any] = {name: {} for name in kinds}
    groups["model"]["path"] = os.fspath(model)
    for name, value in settings.items():
        owner = next((group for group, kind in kinds.items() if name in kind.model_fields), "prediction")
        groups[owner][name] = value  # an unknown name is refused by the settings themselves
    return Job(input=InputSettings(path="memory"), output=OutputSettings(path="memory"), **groups)


class _LazyPrediction:
    """Prepares on first use, then predicts one chunk at a time: the network uses all cores already."""

    def __init__(self, opened: OpenJob) -> None:
        self._opened = opened
        self._lock = threading.Lock()
        self._predictor: BoxPredictor | None = None

    def block(self, block_info: Any = None) -> NDArray[np.float32]:
        """One chunk, (c, z, y, x), float32; dask says which."""
        location = block_info[None]["array-location"][1:]
        box = Box(as_shape([a for a, _ in location]), as_shape([b for _, b in location]))
        with self._lock:
            self._predictor = self._predictor or self._prepare()
            return self._predictor.predict(box.shift(self._opened.region.start))

    def _prepare(self) -> BoxPredictor:
        opened = self._opened
        volume = opened.volume
        sources = finish(
            prepare_orientations(
                volume,
                opened.orientations,
                lambda axis: collect_statistics(volume, profile_axis=axis),
                opened.job.prediction,
            )
        )
        return BoxPredictor.of(opened.bundle, sources, open_job_runner(opened), CancelToken())
