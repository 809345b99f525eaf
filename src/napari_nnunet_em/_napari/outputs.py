"""Where a result goes unless the user says otherwise: plain functions, without a window."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

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
