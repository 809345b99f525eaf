"""The folders in which results were begun, kept from one session to the next; no window needed."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import platformdirs

from napari_nnunet_em.io.staging import replace_json

_MOST = 20


def remembered_file() -> Path:
    """Where the list is kept: in the user's data folder ($XDG_DATA_HOME on Linux)."""
    return platformdirs.user_data_path("napari-nnunet-em", appauthor=False) / "result-folders.json"


def remembered_folders() -> list[Path]:
    """The folders, the latest first; none where the list is missing or cannot be read."""
    try:
        entries = json.loads(remembered_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [Path(entry) for entry in entries if isinstance(entry, str)] if isinstance(entries, list) else []


def remember_folder(folder: Path) -> None:
    """Put a folder at the head of the list; a list that cannot be written is no reason to stop a job."""
    known = [folder.absolute(), *(x for x in remembered_folders() if x != folder.absolute())][:_MOST]
    file = remembered_file()
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_json(file, [str(x) for x in known])
