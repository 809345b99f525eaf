"""Writing one multiscale OME-Zarr image or label image, block by block."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from napari_nnunet_em.errors import OutputError, SettingsError
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import groups
from napari_nnunet_em.io.ngff import OWN_KEY, ome_attributes
from napari_nnunet_em.io.output import JOB_FOLDER, check_folder
from napari_nnunet_em.io.pyramid import averaged, strided
from napari_nnunet_em.io.spec import SINK_KEY, Kind, SinkSpec
from napari_nnunet_em.io.staging import explained, undone_on_failure

# No path separators, nothing that Windows refuses, nothing hidden.
_LABEL_NAME = re.compile(r"labels/(?![.\s])[^/\\:*?\"<>|\x00-\x1f]+(?<![.\s])")


class MultiscaleSink:
    """A multiscale image in an OME-Zarr store that is filled block by block, all levels at once.

    Several threads or processes may `write` different blocks at the same time: each chunk of each level
    belongs to one block. Creating outputs in one store is for one thread. A block that was never written
    reads as 0, and so does a missing chunk.

    Attributes
    ----------
    store : pathlib.Path
        Root of the OME-Zarr.
    name : str
        Empty for the root image, else ``labels/<label>``.
    spec : SinkSpec
        What is stored.
    plan : tuple of Level
        Factor, shape and chunks of each level.
    levels : list of zarr.Array, (z, y, x) or (c, z, y, x)
        The stored levels, level 0 first.
    """

    def __init__(self, store: Path, name: str, spec: SinkSpec, levels: list[zarr.Array[Any]]) -> None:
        self.store = store
        self.name = name
        self.spec = spec
        self.levels = levels
        self.plan = spec.plan(len(levels))

    @classmethod
    def create(cls, store: Path, name: str, spec: SinkSpec) -> MultiscaleSink:
        """Create the arrays and metadata of an image; the folders above it are made too.

        The metadata of the group comes last, so that what was cut short by a crash is not taken for an
        image and can be created again. A creation that fails leaves nothing that was not there before.

        Parameters
        ----------
        store : path
            Root of the OME-Zarr: missing, empty, or an output of ours.
        name : str
            Empty for the root image, or ``labels/<label>`` for labels.
        spec : SinkSpec
            What will be stored. Labels get as many levels as the root image, as OME-Zarr demands.

        Raises
        ------
        OutputError
            If the folder cannot be written, is not ours, or holds this image already.
        SettingsError
            If the name is impossible, or the blocks cannot be halved to the levels of the root image.
        """
        store = Path(store)
        _check_name(name, spec.kind)
        with explained(store):
            check_folder(store)
            groups.check_vacant(store, name, spec)
            plan = groups.plan_beside_root(store, name, spec)
            with undone_on_failure(groups.folders(store, name)):
                (store / JOB_FOLDER).mkdir(parents=True, exist_ok=True)
                levels = groups.create_image(store, name, spec, plan)
        return cls(store, name, spec, levels)

    @classmethod
    def exists(cls, store: Path, name: str) -> bool:
        """Whether there is an image of ours that was created to its end.

        Raises
        ------
        OutputError
            If the metadata are damaged or cannot be read.
        """
        return OWN_KEY in groups.attributes_of(Path(store) / name)

    @classmethod
    def open(cls, store: Path, name: str, spec: SinkSpec | None = None) -> MultiscaleSink:
        """Open an image of ours to read it or to continue writing it.

        Parameters
        ----------
        store : path
            Root of the OME-Zarr.
        name : str
            Empty for the root image, or ``labels/<label>``.
        spec : SinkSpec, optional
            What the image must be; names, colours and attributes may differ.

        Raises
        ------
        OutputError
            If there is no such image of ours, it is damaged, or it is not what `spec` says.
        """
        store = Path(store)
        path = store / name
        attributes = groups.attributes_of(path)
        if OWN_KEY not in attributes or "multiscales" not in ome_attributes(attributes):
            raise OutputError(
                f"{path} holds no image written by this program, or one whose creation was cut short: "
                "create it."
            )
        try:
            stored = SinkSpec.from_document(attributes[OWN_KEY])
            plan = stored.plan(int(attributes[OWN_KEY][SINK_KEY]["levels"]))
            levels = [groups.open_level(path / str(k), stored, level) for k, level in enumerate(plan)]
        except (OSError, KeyError, TypeError, ValueError, AttributeError) as exc:
            raise OutputError(
                f"The output {path} is damaged and cannot be continued ({exc}): choose another output, "
                "or overwrite it."
            ) from exc
        if spec is not None and (differences := stored.differences(spec)):
            raise OutputError(
                f"The output {path} was begun with {', '.join(differences)}: use the same settings, "
                "choose another output, or overwrite it."
            )
        return cls(store, name, stored, levels)

    def annotate(self, values: Mapping[str, Any]) -> None:
        """Store more under ``napari_nnunet_em`` in the attributes of the group, in one step.

        Parameters
        ----------
        values : mapping
            Plain JSON values; those there under other keys stay.

        Raises
        ------
        OutputError
            If the file system refuses.
        """
        with explained(self.path):
            group = zarr.open_group(self.path, mode="r+", use_consolidated=False)
            attributes: dict[str, Any] = group.attrs.asdict()
            own = {**attributes[OWN_KEY], **values}
            groups.add_attributes(group, self.path, {OWN_KEY: own})

    @property
    def path(self) -> Path:
        """Folder of the group of this image."""
        return self.store / self.name

    def write(self, box: Box, data: np.ndarray[Any, Any]) -> None:
        """Write whole blocks into every level; thread-safe for different blocks, and repeatable.

        Parameters
        ----------
        box : Box
            Voxels of level 0, (z, y, x), that begin and end on borders of blocks or of the volume.
        data : array, (z, y, x) or (c, z, y, x)
            The voxels, of a type that fits the stored one without loss.

        Raises
        ------
        ValueError
            If the box is not made of whole blocks or the data do not fit it.
        OutputError
            If the disk is full or refuses; the block may then be stored in part and must be written again.
        """
        self._check_block(box, data)
        data = np.asarray(data, dtype=self.spec.dtype)
        reduce = averaged if self.spec.kind is Kind.IMAGE else strided
        with explained(self.path):
            for array, level, part in zip(self.levels, self.plan, reduce(data, self.plan), strict=True):
                array[(..., *level.box(box).slices)] = part

    def color_labels(self, colors: Mapping[int, tuple[int, int, int, int]]) -> None:
        """State colours of labels, which are often known only after the last block.

        Parameters
        ----------
        colors : mapping of int to tuple of int
            Label to red, green, blue and alpha, 0 to 255; they replace what was stated before.

        Raises
        ------
        OutputError
            If the metadata cannot be written.
        """
        self.spec = dataclasses.replace(self.spec, label_colors=dict(colors))
        with explained(self.path):
            groups.store_attributes(self.store, self.name, self.spec, self.plan)

    def read(self, box: Box, level: int = 0) -> np.ndarray[Any, Any]:
        """Read a box of one level.

        Parameters
        ----------
        box : Box
            Voxels of that level, (z, y, x), inside it.
        level : int
            Resolution level.

        Returns
        -------
        array, (z, y, x) or (c, z, y, x), dtype of the image
            The voxels; 0 where nothing was written.

        Raises
        ------
        ValueError
            If the box reaches beyond the level.
        OutputError
            If the file system fails or a chunk is damaged.
        """
        if not Box.whole(self.plan[level].shape).contains(box):
            raise ValueError(f"the box {box} reaches beyond level {level} of shape {self.plan[level].shape}")
        try:
            with explained(self.path, "read"):
                return np.asarray(self.levels[level][(..., *box.slices)])
        except (RuntimeError, ValueError) as exc:
            raise OutputError(
                f"The output {self.path} is damaged in {box} of level {level} ({exc}): "
                "run the job anew with overwrite."
            ) from exc

    def _check_block(self, box: Box, data: np.ndarray[Any, Any]) -> None:
        spec = self.spec
        axes = list(zip(box.start, box.stop, spec.block_shape, spec.shape, strict=True))
        if not all(0 <= a < b <= n and a % s == 0 and (b % s == 0 or b == n) for a, b, s, n in axes):
            raise ValueError(
                f"the box {box} is not made of whole blocks of {spec.block_shape} of a volume of {spec.shape}"
            )
        expected = (spec.channels, *box.shape) if spec.channels else box.shape
        if data.shape != expected or not np.can_cast(data.dtype, spec.dtype):
            raise ValueError(
                f"data of shape {data.shape}, {data.dtype}, do not fit {expected}, {spec.dtype}, "
                f"of the box {box}"
            )


def _check_name(name: str, kind: Kind) -> None:
    if not (name == "" if kind is Kind.IMAGE else _LABEL_NAME.fullmatch(name)):
        raise SettingsError(
            f"An output of kind {kind} cannot be named {name!r}: the image is the root of the store, "
            "named '', and "
            'labels are named labels/<label> without / \\ : * ? " < > | in the label.'
        )
