"""What a finished job has found, as it can be read back from its output."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_nnunet_em.errors import OutputError
from napari_nnunet_em.measurement import table_files
from napari_nnunet_em.pipeline.journal import JobFolder


@dataclass(frozen=True)
class ClassResult:
    """Objects of one class.

    Attributes
    ----------
    name : str
        The class, as the model names it.
    count : int
        Objects found.
    labels, table : pathlib.Path
        Their label image (an OME-Zarr group) and their table (CSV).
    in_blocks : int
        Objects that were too large for the memory budget, and were split or filled in overlapping blocks.
    """

    name: str
    count: int
    labels: Path
    table: Path
    in_blocks: int = 0

    @classmethod
    def of(cls, store: Path, label: str, count: int, in_blocks: int, name: str | None = None) -> ClassResult:
        """The objects under ``labels/<label>`` of an output; the class is called so without a `name`."""
        return cls(name or label, count, store / "labels" / label, table_files(store, label)[1], in_blocks)


@dataclass(frozen=True)
class SegmentationResult:
    """A finished job.

    Attributes
    ----------
    store : pathlib.Path
        The OME-Zarr.
    objects : tuple of ClassResult
        One per class; empty when no objects were asked for.
    voxel_size_nm : tuple of float, (z, y, x)
        Voxel size used.
    voxel_size_source : str
        Where it came from.
    notes : tuple of str
        What the job wants to be known, one sentence each.
    runner : str
        What ran the network.
    voxels : int
        Voxels segmented.
    seconds : float
        Time spent on this job in all its runs, but for those that were killed.
    voxels_per_second : float
        Of the prediction, in the last run that predicted anything; 0 if none did.
    peak_memory_bytes : int
        Highest resident memory of the process that finished the job.
    finished : str
        When it finished last, ISO 8601 in UTC.
    """

    store: Path
    objects: tuple[ClassResult, ...]
    voxel_size_nm: tuple[float, float, float]
    voxel_size_source: str
    notes: tuple[str, ...]
    runner: str
    voxels: int
    seconds: float
    voxels_per_second: float
    peak_memory_bytes: int
    finished: str

    def document(self) -> dict[str, Any]:
        """The result as plain JSON values; paths relative to the store, so that it may be moved."""
        return {
            "objects": [
                {
                    "name": o.name,
                    "count": o.count,
                    "labels": o.labels.relative_to(self.store).as_posix(),
                    "table": o.table.relative_to(self.store).as_posix(),
                    "in_blocks": o.in_blocks,
                }
                for o in self.objects
            ],
            "voxel_size_nm": list(self.voxel_size_nm),
            "voxel_size_source": self.voxel_size_source,
            "notes": list(self.notes),
            "runner": self.runner,
            "voxels": self.voxels,
            "seconds": self.seconds,
            "voxels_per_second": self.voxels_per_second,
            "peak_memory_bytes": self.peak_memory_bytes,
            "finished": self.finished,
        }


def load_result(store: Path | str) -> SegmentationResult:
    """Read what a finished job has found.

    Parameters
    ----------
    store : path
        The OME-Zarr that the job wrote.

    Raises
    ------
    OutputError
        If there is no finished job of ours.
    """
    store = Path(store)
    document = JobFolder(store).load("result")
    if document is None:
        raise OutputError(
            f"{store} holds no finished job; run the same napari-nnunet-em segment command again to "
            "finish it."
        )
    objects = tuple(
        ClassResult(o["name"], o["count"], store / o["labels"], store / o["table"], o.get("in_blocks", 0))
        for o in document.pop("objects")
    )
    z, y, x = document.pop("voxel_size_nm")
    notes = tuple(document.pop("notes"))
    return SegmentationResult(store=store, objects=objects, voxel_size_nm=(z, y, x), notes=notes, **document)
