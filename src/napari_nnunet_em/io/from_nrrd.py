"""NRRD with the voxels behind the header, or in one file beside it: https://teem.sourceforge.net/nrrd/format.html."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from napari_nnunet_em.errors import InputError
from napari_nnunet_em.io.finding import Finding
from napari_nnunet_em.io.raw import RawArray, RawLayout
from napari_nnunet_em.io.voxel_size import StoredVoxelSize, nm_per_unit, positive_length

_LONGEST_HEADER = 1 << 20
_TYPES = MappingProxyType(
    {
        alias: name
        for name, aliases in {
            "i1": ("signed char", "int8", "int8_t"),
            "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
            "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
            "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
            "i4": ("int", "signed int", "int32", "int32_t"),
            "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
            "i8": (
                "longlong",
                "long long",
                "long long int",
                "signed long long",
                "signed long long int",
                "int64",
                "int64_t",
            ),
            "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
            "f4": ("float",),
            "f8": ("double",),
        }.items()
        for alias in aliases
    }
)
_SPATIAL = frozenset(("domain", "space", "???", "none", ""))
_VECTOR = re.compile(r"none|\([^)]*\)")


@dataclass(frozen=True)
class Header:
    """The fields of a header by their lower-case names, and where it ends."""

    path: Path
    fields: dict[str, str]
    end: int

    def field(self, *names: str) -> str | None:
        """The first of these fields that is there."""
        return next((self.fields[name] for name in names if name in self.fields), None)

    def needed(self, *names: str) -> str:
        """A field without which the voxels cannot be found.

        Raises
        ------
        InputError
            When it is missing.
        """
        value = self.field(*names)
        if value is None:
            raise self.refusal(f"its header has no field '{names[0]}'")
        return value

    def refusal(self, why: str) -> InputError:
        """The error that says why the file cannot be used."""
        return InputError(
            f"{self.path} cannot be opened as NRRD: {why}; save it again as NRRD with encoding raw or gzip."
        )


def is_nrrd(path: Path) -> bool:
    """Whether a file begins like NRRD."""
    with path.open("rb") as file:
        return file.read(7) == b"NRRD000"


def find_nrrd(path: Path) -> Finding:
    """Find the volume in a NRRD file; its fastest axis is the last one here.

    Plain voxels are read in place; packed ones are unpacked to a temporary file at the first read.

    Raises
    ------
    InputError
        When the header is damaged or asks for what is not supported, or the file is cut short.
    """
    header = _read_header(path)
    shape = _sizes(header)
    axes = _axes(header, len(shape))
    layout = _layout(header, shape)
    return Finding(
        RawArray(layout),
        str(path),
        axes,
        voxel_size=_voxel_size(header),
        origin_nm=_origin(header, axes),
    )


def _read_header(path: Path) -> Header:
    with path.open("rb") as file:
        head = file.read(_LONGEST_HEADER)
    blank = re.search(rb"\r?\n\r?\n", head)
    detached = re.search(rb"^data ?file:", head, re.MULTILINE)
    if blank is None and detached is None:
        raise InputError(f"{path} cannot be opened as NRRD: its header has no end; the file may be damaged.")
    end = blank.end() if blank else len(head)
    fields: dict[str, str] = {}
    for line in head[:end].decode("utf-8", "replace").splitlines()[1:]:
        name, colon, value = line.partition(":")
        # Lines with := are pairs of whoever wrote them, # begins a comment.
        if colon and not value.startswith("=") and not line.startswith("#"):
            fields[name.strip().casefold()] = value.strip()
    return Header(path, fields, end)


def _sizes(header: Header) -> tuple[int, ...]:
    """Extent along each axis, the slowest first."""
    words = header.needed("sizes").split()
    try:
        sizes = tuple(int(word) for word in words)
    except ValueError as error:
        raise header.refusal(f"its sizes {header.field('sizes')!r} are not whole numbers") from error
    if min(sizes, default=0) < 1 or header.field("dimension") != str(len(sizes)):
        raise header.refusal(
            f"sizes {header.field('sizes')!r} and dimension {header.field('dimension')!r} do not fit"
        )
    return sizes[::-1]


def _axes(header: Header, ndim: int) -> str | None:
    """Letters by the kinds of the axes, slowest first; None where they do not tell."""
    kinds = (header.field("kinds") or "").split()
    kinds = kinds if len(kinds) == ndim else ["domain"] * ndim
    spatial = iter("xyz")
    letters = []
    for kind in kinds:
        plain = kind.casefold()
        letters.append(next(spatial, "q") if plain in _SPATIAL else "t" if plain == "time" else "c")
    return "".join(reversed(letters)) if len(set(letters)) == ndim else None


def _layout(header: Header, shape: tuple[int, ...]) -> RawLayout:
    kind = _TYPES.get(header.needed("type").casefold())
    if kind is None:
        raise header.refusal(f"voxels of type {header.field('type')!r} are not numbers that can be read")
    encoding = header.needed("encoding").casefold()
    if encoding not in ("raw", "gzip", "gz"):
        raise header.refusal(f"its encoding is {encoding!r}")
    if header.field("endian") not in (None, "little", "big"):
        raise header.refusal(f"its byte order is {header.field('endian')!r}")
    order = ">" if header.field("endian") == "big" else "<"
    lines, skip = header.field("line skip", "lineskip"), header.field("byte skip", "byteskip")
    if lines not in (None, "0") or not (skip or "0").isdigit():
        raise header.refusal("it asks to skip lines or an unknown number of bytes")
    path, begin = _data_file(header)
    packed = encoding != "raw"
    # Skipped bytes are counted after unpacking, since the line and byte skips apply to the voxels.
    offset = int(skip or 0) + (0 if packed else begin)
    return RawLayout(
        path,
        shape,
        np.dtype(kind if header.field("endian") is None else order + kind),
        offset,
        begin if packed else None,
    )


def _data_file(header: Header) -> tuple[Path, int]:
    """The file with the voxels and the byte at which they, or what packs them, begin."""
    name = header.field("data file", "datafile")
    if name is None:
        return header.path, header.end
    path = header.path.parent / name
    # Hostile headers must not read files elsewhere; several files are a list or a pattern with %.
    if Path(name).name != name or not path.is_file():
        raise header.refusal(f"its voxels should be in {name!r}, which is not one file in the same folder")
    return path, 0


def _vectors(header: Header, ndim: int) -> list[list[float] | None] | None:
    """Direction of each axis, slowest first; None for one without."""
    found = _VECTOR.findall(header.field("space directions") or "")
    if len(found) != ndim:
        return None
    try:
        vectors = [None if v == "none" else [float(n) for n in v.strip("()").split(",")] for v in found]
    except ValueError as error:
        raise header.refusal(
            f"its space directions {header.field('space directions')!r} are not numbers"
        ) from error
    return vectors[::-1]


def _units(header: Header, name: str) -> list[float | None]:
    return [nm_per_unit(unit) for unit in re.findall(r'"([^"]*)"', header.field(name) or "")]


def _voxel_size(header: Header) -> StoredVoxelSize | None:
    ndim = len(header.needed("sizes").split())
    vectors = _vectors(header, ndim)
    if vectors is not None:
        # All directions are in one world, whose units are nearly always the same.
        units = set(_units(header, "space units"))
        factor = units.pop() if len(units) == 1 else None
        lengths = [None if v is None or factor is None else _length(v, factor) for v in vectors]
        return StoredVoxelSize(tuple(lengths), "NRRD space directions") if any(lengths) else None
    spacings = (header.field("spacings") or "").split()[::-1]
    factors = _units(header, "units")[::-1]
    if len(spacings) != ndim or len(factors) != ndim:
        return None
    pairs = zip((positive_length(s) for s in spacings), factors, strict=True)
    sizes = tuple(None if s is None or f is None else s * f for s, f in pairs)
    return StoredVoxelSize(sizes, "NRRD spacings") if any(sizes) else None


def _length(vector: list[float], factor: float) -> float | None:
    return positive_length(float(f"{float(np.linalg.norm(vector)) * factor:.12g}"))


def _origin(header: Header, axes: str | None) -> tuple[float | None, ...] | None:
    """The first voxel's place, where the axes of the volume are those of the world and not mirrored."""
    vectors = _vectors(header, len(axes or ""))
    units = set(_units(header, "space units"))
    factor = units.pop() if len(units) == 1 else None
    words = (header.field("space origin") or "").strip("() ").split(",")
    if axes is None or vectors is None or factor is None or len(words) != 3:
        return None
    directions = {letter: v for letter, v in zip(axes, vectors, strict=True) if v is not None}
    for index, letter in enumerate("xyz"):
        vector = directions.get(letter)
        if vector is None or len(vector) != 3 or vector[index] <= 0 or sum(v != 0 for v in vector) != 1:
            return None
    try:
        places = {letter: float(f"{float(w) * factor:.12g}") for letter, w in zip("xyz", words, strict=True)}
    except ValueError:
        return None
    return tuple(places.get(letter) for letter in axes)
