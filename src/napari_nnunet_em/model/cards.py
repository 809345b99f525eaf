"""Model cards and licences, and the models that come with this package."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from napari_nnunet_em.errors import ModelError
from napari_nnunet_em.model.installed import installed_models
from napari_nnunet_em.model.values import ModelSummary

_LICENCE_FILES = ("LICENSE.md", "LICENSE.txt", "LICENSE", "LICENCE.md", "LICENCE")
_FENCE = "---\n"
_UNKNOWN_LICENCE = "The model states no licence; ask whoever trained it."


@dataclass(frozen=True)
class Card:
    """A model card: a Markdown text, headed by a few fields in YAML.

    Attributes
    ----------
    fields : dict
        ``title``, ``target``, ``configuration``, ``description``, ``licence``; empty without a heading.
    text : str
        The Markdown below.
    """

    fields: dict[str, Any]
    text: str


def read_card(root: Path, dataset: dict[str, Any]) -> Card:
    """Read CARD.md of a model; without one the description in dataset.json is the text."""
    path = root / "CARD.md"
    if not path.is_file():
        return Card({}, str(dataset.get("description", "")))
    try:
        text = path.read_text(encoding="utf-8").removeprefix("\ufeff")
        if not text.startswith(_FENCE):
            return Card({}, text)
        head, _, body = text.removeprefix(_FENCE).partition(f"\n{_FENCE}")
        fields = yaml.safe_load(head)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ModelError(f"The model card {path} cannot be read ({error}): repair or delete it.") from error
    return Card(fields if isinstance(fields, dict) else {}, body.lstrip())


def read_licence(root: Path, dataset: dict[str, Any]) -> str:
    """Read the licence of a model: its licence file, else dataset.json's ``licence``, else a warning."""
    for name in _LICENCE_FILES:
        if (root / name).is_file():
            return (root / name).read_text(encoding="utf-8", errors="replace")
    return str(dataset.get("licence") or dataset.get("license") or _UNKNOWN_LICENCE)


def bundled_models_dir() -> Path:
    """Folder with the models that come with this package, each under its name."""
    return Path(__file__).parent / "bundled"


def find_bundled(name: str) -> Path | None:
    """Folder of the bundled model of this name, or `None`."""
    return next((p for p in _bundled_roots() if p.name == name), None)


def bundled_names() -> list[str]:
    """Names of the bundled models."""
    return [p.name for p in _bundled_roots()]


def list_models() -> list[ModelSummary]:
    """Every model that can be opened by name, bundled ones first; loads neither torch nor nnU-Net."""
    return [_summary(root) for root in _bundled_roots()] + [m.summary for m in installed_models()]


def _bundled_roots() -> list[Path]:
    # 3D is more accurate and therefore the default, so it comes first.
    return sorted((p.parent for p in bundled_models_dir().glob("*/plans.json")), reverse=True)


def _summary(root: Path) -> ModelSummary:
    fields = read_card(root, {}).fields
    return ModelSummary(
        name=root.name,
        title=str(fields.get("title", root.name)),
        target=str(fields.get("target", "")),
        configuration=str(fields.get("configuration", "")),
        description=str(fields.get("description", "")),
        licence=str(fields.get("licence", _UNKNOWN_LICENCE)),
        root=root,
    )
