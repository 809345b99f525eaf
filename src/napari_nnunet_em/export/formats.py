"""What each format can hold, and which one an ending stands for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from napari_nnunet_em.errors import SettingsError
from napari_nnunet_em.export.settings import Compression, ExportSettings, Format

_SMALL = frozenset(("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"))
_LARGE = _SMALL | {"uint64", "int64"}


@dataclass(frozen=True)
class Rules:
    """What one format can do.

    Attributes
    ----------
    title : str
        As people call it.
    suffixes : tuple of str
        Endings of its files, the usual one first.
    compressions : tuple of Compression
        What it can be packed with; the first is the default.
    dtypes : frozenset of str
        Names of the data types that programs which read it understand.
    """

    title: str
    suffixes: tuple[str, ...]
    compressions: tuple[Compression, ...]
    dtypes: frozenset[str]


_GZIP, _NONE, _LZF, _ZSTD = Compression.GZIP, Compression.NONE, Compression.LZF, Compression.ZSTD

FORMATS: Mapping[Format, Rules] = MappingProxyType(
    {
        Format.OME_ZARR: Rules("OME-Zarr", (".zarr",), (_ZSTD, _NONE), _LARGE | {"float16"}),
        # OME-XML knows no 64-bit integers and no half floats.
        Format.TIFF: Rules(
            "OME-TIFF", (".ome.tif", ".ome.tiff", ".tif", ".tiff"), (_GZIP, _ZSTD, _NONE), _SMALL
        ),
        Format.HDF5: Rules("HDF5", (".h5", ".hdf5"), (_GZIP, _LZF, _NONE), _LARGE | {"float16"}),
        Format.NRRD: Rules("NRRD", (".nrrd",), (_GZIP, _NONE), _LARGE),
        # NIfTI has codes for 64-bit integers, but SPM, FSL and FreeSurfer do not read them.
        Format.NIFTI: Rules("NIfTI", (".nii.gz", ".nii"), (_GZIP, _NONE), _SMALL),
    }
)


def format_of(path: Path) -> Format | None:
    """The format that the ending of a path stands for, or None."""
    name = path.name.casefold()
    for kind, rules in FORMATS.items():
        if name.endswith(rules.suffixes):
            return kind
    return None


def renamed(path: Path, kind: Format) -> Path:
    """The destination with the usual ending of a format, in place of the ending of another one."""
    stated = format_of(path)
    if kind in (Format.AUTO, stated) or not path.name:
        return path
    suffixes = FORMATS[stated].suffixes if stated is not None else ()
    ending = next((s for s in suffixes if path.name.casefold().endswith(s)), "")
    return path.with_name(path.name[: len(path.name) - len(ending)] + FORMATS[kind].suffixes[0])


def choose_format(path: Path, settings: ExportSettings) -> Format:
    """The format to write.

    Parameters
    ----------
    path : pathlib.Path
        The destination.
    settings : ExportSettings
        Format and compression.

    Raises
    ------
    SettingsError
        When the ending says nothing, or something else than the settings, or the format cannot be packed so.
    """
    stated = format_of(path)
    wanted = settings.format
    if wanted is Format.AUTO:
        if stated is None:
            known = ", ".join(suffix for rules in FORMATS.values() for suffix in rules.suffixes)
            raise SettingsError(
                f"The ending of {path.name!r} stands for no format: let it end in one of {known}, or state "
                "the format."
            )
        wanted = stated
    elif stated not in (None, wanted):
        raise SettingsError(
            f"{path.name!r} ends like {FORMATS[stated].title}, and {FORMATS[wanted].title} was asked for: "
            f"let it end in {FORMATS[wanted].suffixes[0]}, or leave the format open."
        )
    compression_of(path, wanted, settings)
    return wanted


def compression_of(path: Path, kind: Format, settings: ExportSettings) -> Compression:
    """How the voxels are packed: what was asked for, else what is usual in the format.

    Raises
    ------
    SettingsError
        When the format, or for NIfTI the ending, does not allow it.
    """
    rules, wanted = FORMATS[kind], settings.compression
    if wanted is not Compression.AUTO and wanted not in rules.compressions:
        raise SettingsError(
            f"{rules.title} is not written with compression {wanted}: choose "
            f"{' or '.join(rules.compressions)}, or leave it open."
        )
    if kind is not Format.NIFTI:
        return rules.compressions[0] if wanted is Compression.AUTO else wanted
    packed = path.name.casefold().endswith(".gz")
    if wanted not in (Compression.AUTO, _GZIP if packed else _NONE):
        other = ".nii" if packed else ".nii.gz"
        raise SettingsError(
            f"{path.name!r} and compression {wanted} contradict each other, because the ending of NIfTI "
            f"tells readers how it is packed: let it end in {other}, or leave the compression open."
        )
    return _GZIP if packed else _NONE
