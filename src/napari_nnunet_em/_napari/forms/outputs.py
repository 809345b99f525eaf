"""Where a result goes unless the user says otherwise: plain functions, without a window."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from napari_nnunet_em.export import Format
from napari_nnunet_em.export.formats import FORMATS, format_of

if TYPE_CHECKING:
    from napari_nnunet_em.geometry import Box


def output_name(source: str, model: str, region: Box | None, level: int = 0) -> str:
    """File name for a result, which tells volume, model, pyramid level and part from one another."""
    stem = re.sub(r"\.(ome\.)?(zarr|tiff?|h5|hdf5|n5|nrrd|png)$", "", source, flags=re.IGNORECASE)
    part = f"_level{level}" if level else ""
    part += "" if region is None else "_" + _region_text(region)
    name = re.sub(r"[^\w.+-]+", "_", f"{stem}_{model}{part}", flags=re.UNICODE).strip("._")
    return f"{name or 'result'}.zarr"


def _region_text(region: Box) -> str:
    ranges = zip("zyx", region.start, region.stop, strict=True)
    return "_".join(f"{axis}{start}-{stop}" for axis, start, stop in ranges)


def output_folder(source: str | None, home: Path) -> Path:
    """Where results go: beside the data if that can be written to, else below the home folder.

    Parameters
    ----------
    source : str or None
        Path of the volume, where it came from a file on this computer.
    home : pathlib.Path
        The user's home folder.
    """
    if source:
        folder = Path(source).expanduser().absolute().parent
        if folder.is_dir() and os.access(folder, os.W_OK) and not _is_inside_zarr(folder):
            return folder
    if os.access(home, os.W_OK):
        return home / "napari-nnunet-em"
    return Path(tempfile.gettempdir()) / "napari-nnunet-em"


def _is_inside_zarr(folder: Path) -> bool:
    return any(part.lower().endswith((".zarr", ".n5")) for part in folder.parts)


def file_filter(kind: Format) -> str:
    """A format as save dialogs list it, such as ``NRRD (*.nrrd)``."""
    return f"{FORMATS[kind].title} ({' '.join(f'*{suffix}' for suffix in FORMATS[kind].suffixes)})"


def saved_path(chosen: Path, kind: Format) -> Path:
    """What is meant by the path that a save dialog gives.

    Parameters
    ----------
    chosen : pathlib.Path
        From the dialog. Dialogs go into a folder that exists instead of taking it; so a path inside a
        ``.zarr`` means the ``.zarr`` itself, the outermost one.
    kind : Format
        What is saved where the path has no ending of a known format.
    """
    stores = [p for p in chosen.parents if p.suffix.lower() == ".zarr" and p.is_dir()]
    if stores and format_of(chosen) in (Format.OME_ZARR, None) and kind is Format.OME_ZARR:
        return stores[-1]
    return chosen if format_of(chosen) else chosen.with_name(chosen.name + FORMATS[kind].suffixes[0])


def completed(path: Path, kind: Format) -> Path:
    """A path that was typed, with the ending of a format where it has none at all."""
    return path.with_name(path.name + FORMATS[kind].suffixes[0]) if path.name and not path.suffix else path
