"""The attributes of N5 folders: which are arrays or pyramids, and what their axes mean.

N5 (https://github.com/saalfeldlab/n5) lists dimensions, blocks, and the numbers that belong to them with the
fastest axis first: x, y, z. That is the stored order here.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_nnunet_em.errors import InputError
from napari_nnunet_em.io.attributes import attribute_axes, axis_letters

Attributes = Mapping[str, Any]

ATTRIBUTES_FILE = "attributes.json"
_USUAL_AXES = "xyzct"
_MOST_LEVELS = 64
_BDV_GROUP = re.compile(r"(^|/)setup\d+/timepoint\d+$")


def read_attributes(folder: Path) -> Attributes:
    """The attributes of a group or dataset; empty for a group without any.

    BigDataViewer's ``resolution``, of a group ``setup0/timepoint0``, is left out: it is in the unit that an
    XML file beside the container names, where that of all other programs is in nm.

    Raises
    ------
    InputError
        When the file is there and cannot be understood.
    """
    try:
        attributes = dict(json.loads((folder / ATTRIBUTES_FILE).read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (ValueError, TypeError) as error:
        raise InputError(
            f"{folder / ATTRIBUTES_FILE}, which describes N5 data, cannot be understood: {error}; it is "
            "damaged or incomplete, copy or export it again."
        ) from error
    if _BDV_GROUP.search(folder.as_posix()):
        attributes.pop("resolution", None)
    return attributes


def plain_path(path: Path) -> Path:
    """The absolute path without ``..``, which tensorstore refuses, and which hides what a folder lies in.

    Links stay where there is no ``..`` to follow them for.
    """
    whole = path.absolute()
    if ".." not in whole.parts:
        return whole
    # Windows takes ``..`` by name; to resolve there would turn the letter of a network drive into its server.
    return Path(os.path.abspath(whole)) if os.name == "nt" else whole.resolve()  # noqa: PTH100


def is_array(attributes: Attributes) -> bool:
    """Whether attributes are those of an array."""
    return {"dimensions", "blockSize"} <= attributes.keys()


def stored_shape(attributes: Attributes) -> tuple[int, ...]:
    """Dimensions of an array, fastest first; empty where they are no whole numbers."""
    sizes = listed(attributes.get("dimensions"))
    return tuple(sizes) if all(type(n) is int and n >= 0 for n in sizes) else ()


def level_names(folder: Path, attributes: Attributes) -> tuple[str, ...]:
    """Paths of the levels below a pyramid's group, full resolution first; empty for other groups.

    The levels are those of ``multiscales``, else arrays named s0, s1, and so on.

    Raises
    ------
    InputError
        When the attributes of one cannot be understood.
    """
    datasets = listed(multiscale(attributes).get("datasets"))
    paths = [str(mapping(entry).get("path")) for entry in datasets]
    return _present(folder, paths) or _present(folder, [f"s{k}" for k in range(_MOST_LEVELS)])


def _present(folder: Path, names: Sequence[str]) -> tuple[str, ...]:
    """The names up to the first that is no array, or no level of the first."""
    found: list[str] = []
    first: tuple[object, ...] = ()
    for name in names:
        attributes = read_attributes(folder / name)
        kind = (attributes.get("dataType"), len(stored_shape(attributes)))
        if not is_array(attributes) or kind != (first or kind):
            break
        first = kind
        found.append(name)
    return tuple(found)


def stored_axes(chain: Sequence[Attributes], ndim: int) -> str:
    """One letter per stored axis: what the attributes name, else x, y, z, c, t.

    Parameters
    ----------
    chain : sequence of mapping
        Attributes of the array, then of the groups above it, nearest first.
    ndim : int
        Number of axes.
    """
    for attributes in chain:
        transform = mapping(attributes.get("transform"))
        names = [mapping(axis).get("name") for axis in listed(multiscale(attributes).get("axes"))]
        order = transform.get("ordering", transform.get("order"))
        letters = axis_letters(listed(transform.get("axes")), ndim)
        if letters is not None:
            return _fastest_first(letters, order)
        letters = axis_letters(names, ndim) or attribute_axes(attributes, ndim)
        if letters is not None:
            return _fastest_first(letters)
    return _USUAL_AXES[:ndim] + "q" * (ndim - len(_USUAL_AXES))


def _fastest_first(letters: str, order: object = None) -> str:
    """Letters in stored order; where their own order is not stated, x is taken to be faster than y.

    Both are met: Fiji's and neuroglancer's ``axes`` begin with x, COSEM's and those of xarray end with it.
    """
    slowest_first = order == "C" if order in ("C", "F") else letters.find("x") > letters.find("y")
    return letters[::-1] if slowest_first else letters


def multiscale(attributes: Attributes) -> Attributes:
    """The first of the ``multiscales``; empty without any."""
    entries = listed(attributes.get("multiscales"))
    return mapping(entries[0]) if entries else {}


def mapping(value: object) -> Attributes:
    """The value where it is a JSON object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def listed(value: object) -> list[Any]:
    """The value where it is a JSON array, else an empty one."""
    return value if isinstance(value, list) else []
