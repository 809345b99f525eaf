"""The Zarr groups and arrays below a multiscale image, of either Zarr format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import zarr
from zarr.codecs import ZstdCodec

from napari_nnunet_em.config import OmeZarrVersion
from napari_nnunet_em.errors import OutputError
from napari_nnunet_em.io.ngff import OWN_KEY, image_attributes, labels_attributes, ome_attributes
from napari_nnunet_em.io.pyramid import Level
from napari_nnunet_em.io.spec import SINK_KEY, SinkSpec
from napari_nnunet_em.io.staging import explained, replace_json

# An empty chunk is the same as a missing one, and rewriting a block with zeros removes its files.
_CONFIG: Any = {"write_empty_chunks": False}


def folders(store: Path, name: str) -> list[Path]:
    """Folders of the groups from the root of the store down to the image."""
    return [store, store / "labels", store / name] if name else [store]


def attributes_of(path: Path) -> dict[str, Any]:
    """Attributes of the group at a path; empty where there is none.

    Raises
    ------
    OutputError
        If the metadata cannot be read or understood.
    """
    group = _group(path)
    return {} if group is None else group.attrs.asdict()


def check_vacant(store: Path, name: str, spec: SinkSpec) -> None:
    """Refuse to create an image where there is one, or in a store of the other Zarr format.

    Raises
    ------
    OutputError
        With what is there.
    """
    root, wanted = _group(store), _zarr_format(spec)
    if root is not None and root.metadata.zarr_format != wanted:
        raise OutputError(
            f"The output {store} is Zarr v{root.metadata.zarr_format}, but OME-Zarr {spec.ome_zarr_version} "
            f"is Zarr v{wanted}: ask for the other OME-Zarr version or choose another output."
        )
    if "multiscales" in ome_attributes(attributes_of(store / name)):
        raise OutputError(
            f"The output {store / name} exists already: continue it with the same job, choose another "
            "output, or overwrite it."
        )


def plan_beside_root(store: Path, name: str, spec: SinkSpec) -> tuple[Level, ...]:
    """Levels of an image; labels get as many as a root image of the same shape has.

    OME-Zarr asks that a label image has as many levels as the image it belongs to.

    Raises
    ------
    SettingsError
        If the blocks of the labels do not allow that.
    """
    root = attributes_of(store).get(OWN_KEY, {}).get(SINK_KEY) if name else None
    if root is None or tuple(root["shape"]) != spec.shape:
        return spec.plan()
    return spec.plan(int(root["levels"]))


def create_image(store: Path, name: str, spec: SinkSpec, plan: tuple[Level, ...]) -> list[zarr.Array[Any]]:
    """Make the groups from the root down, then the arrays, then the metadata that make it an image."""
    wanted: Any = _zarr_format(spec)
    groups = [
        zarr.open_group(path, mode="a", zarr_format=wanted, use_consolidated=False)
        for path in folders(store, name)
    ]
    levels = [_create_level(groups[-1], str(k), spec, level) for k, level in enumerate(plan)]
    title = Path(name).name or store.stem
    add_attributes(groups[-1], store / name, image_attributes(spec, plan, title))
    if name:
        listed = ome_attributes(groups[1].attrs.asdict()).get("labels", [])
        names = sorted({*listed, title})
        add_attributes(groups[1], store / "labels", labels_attributes(names, spec.ome_zarr_version))
    return levels


def open_level(path: Path, spec: SinkSpec, level: Level) -> zarr.Array[Any]:
    """Open the array of a level for reading and writing.

    Raises
    ------
    ValueError
        If it is not what was planned.
    OSError
        If there is none.
    """
    array = zarr.open_array(path, mode="r+", config=_CONFIG)
    shape, chunks = _layout(spec, level)
    if (array.shape, array.chunks, array.dtype) != (shape, chunks, spec.dtype):
        raise ValueError(
            f"level {path.name} is {array.shape} {array.dtype} in chunks {array.chunks}, "
            f"not {shape} {spec.dtype} in chunks {chunks}"
        )
    return array


def _group(path: Path) -> zarr.Group | None:
    """The group of either format at a path, read-only; None where there is none."""
    try:
        with explained(path, "read"):
            if not path.is_dir():
                return None
            try:
                return zarr.open_group(path, mode="r", use_consolidated=False)
            except FileNotFoundError:
                return None
    except (ValueError, KeyError, TypeError) as exc:
        raise OutputError(
            f"The metadata of the output {path} are damaged ({exc}): choose another output, or overwrite it."
        ) from exc


def _zarr_format(spec: SinkSpec) -> int:
    return 2 if spec.ome_zarr_version is OmeZarrVersion.V04 else 3


def _layout(spec: SinkSpec, level: Level) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shape and chunks of the stored array: one channel per chunk."""
    if spec.channels:
        return (spec.channels, *level.shape), (1, *level.chunk_shape)
    return level.shape, level.chunk_shape


def add_attributes(group: zarr.Group, path: Path, attributes: dict[str, Any]) -> None:
    """Add attributes to a group in one step that happens or does not.

    ``group.attrs.update`` would write once per key, and in Zarr v2 zarr rewrites ``.zgroup`` too: a failure
    between two files would leave an image that is listed and not there.
    """
    if group.metadata.zarr_format == 2:
        replace_json(path / ".zattrs", {**group.attrs.asdict(), **attributes})
    else:
        group.update_attributes(attributes)


def store_attributes(store: Path, name: str, spec: SinkSpec, plan: tuple[Level, ...]) -> None:
    """Write the attributes of an image anew, for what is known only after its voxels: colours of labels."""
    group = zarr.open_group(store / name, mode="r+", use_consolidated=False)
    title = Path(name).name or store.stem
    add_attributes(group, store / name, image_attributes(spec, plan, title))


def _create_level(group: zarr.Group, path: str, spec: SinkSpec, level: Level) -> zarr.Array[Any]:
    storage: dict[str, Any]
    strength = spec.compression_level
    if spec.ome_zarr_version is OmeZarrVersion.V04:
        storage = {
            "compressors": None if strength is None else {"id": "zstd", "level": strength},
            "chunk_key_encoding": {"name": "v2", "separator": "/"},
        }
    else:
        storage = {
            "compressors": None if strength is None else ZstdCodec(level=strength),
            "dimension_names": tuple(spec.axes),
        }
    shape, chunks = _layout(spec, level)
    return group.create_array(
        path,
        shape=shape,
        chunks=chunks,
        dtype=spec.dtype,
        fill_value=0,
        overwrite=True,  # remains of a creation that was cut short
        config=_CONFIG,
        **storage,
    )
