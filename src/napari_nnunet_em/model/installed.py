"""The models that a user has installed: where they lie, and what is known of them without opening them."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from napari_nnunet_em.errors import ModelError
from napari_nnunet_em.model.values import ModelSummary

MODELS_VARIABLE = "NNUNET_EM_MODELS"
RECORD = "installed.json"


def models_dir() -> Path:
    """Folder of installed models: $NNUNET_EM_MODELS, else in the user's data folder ($XDG_DATA_HOME)."""
    override = os.environ.get(MODELS_VARIABLE)
    if override:
        return Path(override)
    return platformdirs.user_data_path("napari-nnunet-em", appauthor=False) / "models"


@dataclass(frozen=True)
class InstalledModel:
    """An installed model.

    Attributes
    ----------
    summary : ModelSummary
        What a list shows of it.
    source : str
        Where it was installed from.
    files : dict of str to (int, str)
        Size in bytes and SHA-256 of each file, by its path in the folder.
    """

    summary: ModelSummary
    source: str
    files: dict[str, tuple[int, str]]

    @property
    def changed_files(self) -> list[str]:
        """Files that are missing or have another size than when the model was installed."""
        root = self.summary.root
        return [
            name
            for name, (size, _) in self.files.items()
            if not (root / name).is_file() or (root / name).stat().st_size != size
        ]

    def document(self) -> dict[str, Any]:
        """What is stored beside the model, as plain JSON values."""
        shown = {key: value for key, value in vars(self.summary).items() if key not in ("root", "name")}
        return {"summary": shown, "source": self.source, "files": self.files}


def installed_models() -> list[InstalledModel]:
    """All installed models by name; what is no model of ours, or has lost its record, is left out."""
    try:
        # A folder whose name begins with a dot is being installed or removed.
        folders = sorted(p for p in models_dir().iterdir() if p.name[:1] != "." and (p / RECORD).is_file())
    except OSError:
        return []
    found = (_read(folder) for folder in folders)
    return [model for model in found if model is not None]


def find_installed(name: str) -> Path | None:
    """Folder of the installed model of this name, or `None`.

    Raises
    ------
    ModelError
        Where its files are not those that were installed.
    """
    model = next((m for m in installed_models() if m.summary.name == name), None)
    if model is None:
        return None
    changed = model.changed_files
    if changed:
        raise ModelError(
            f"The installed model {name!r} was damaged: {', '.join(changed)} in {model.summary.root} is "
            "missing or was changed; remove the model and install it again."
        )
    return model.summary.root


def _read(folder: Path) -> InstalledModel | None:
    try:
        document = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        files = {name: (int(size), str(digest)) for name, (size, digest) in document["files"].items()}
        summary = ModelSummary(name=folder.name, root=folder, **document["summary"])
        return InstalledModel(summary, str(document["source"]), files)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
