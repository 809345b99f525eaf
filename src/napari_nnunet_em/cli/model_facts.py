"""A model in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_nnunet_em.config import SpacingUnit
from napari_nnunet_em.quantities import extent

if TYPE_CHECKING:
    from napari_nnunet_em.model import ModelBundle


def model_facts(bundle: ModelBundle) -> list[tuple[str, str]]:
    """What a person wants to know before using a model, as lines of name and value."""
    others = [choice.full_name for choice in bundle.available if choice.root != bundle.root]
    flips = ", ".join(_axes(bundle)[axis] for axis in sorted(bundle.mirror_axes))
    return [
        ("Model", bundle.name),
        ("Segments", bundle.target),
        ("Classes", "\n".join(f"{info.value} {info.name}" for info in bundle.classes)),
        ("Channels", ", ".join(bundle.channel_names)),
        ("Configuration", bundle.configuration),
        ("Also here", "\n".join(others)),
        ("Folds", ", ".join(bundle.folds)),
        ("Voxel size", spacing_words(bundle)),
        ("Patch", f"{extent(bundle.patch_size)} voxels ({', '.join(_axes(bundle))})"),
        ("Normalisation", ", ".join(scheme.name for scheme in bundle.normalization)),
        ("Flips", flips or "none"),
        ("Trainer", f"{bundle.trainer}, plans {bundle.plans_name}"),
        ("Notes", "\n".join(bundle.notes)),
        ("Folder", str(bundle.root)),
        ("Licence", _licence(bundle)),
    ]


def _licence(bundle: ModelBundle) -> str:
    """The first paragraph, and where the rest is."""
    first, _, rest = bundle.licence.strip().partition("\n\n")
    file = next(bundle.root.glob("LICEN[CS]E*"), None)
    return f"{first}\nThe whole text is in {file.name} in that folder." if rest and file else first


def spacing_words(bundle: ModelBundle) -> str:
    """The voxel size that a model expects, read as the setting ``spacing_unit: auto`` reads it."""
    spacing = bundle.spacing_nm(SpacingUnit.AUTO)
    if spacing is None:
        return "that of the volume (the model states none)"
    return f"{extent(spacing)} nm ({', '.join(_axes(bundle))})"


def _axes(bundle: ModelBundle) -> tuple[str, ...]:
    """Names of the network's axes, which are those of the volume transposed."""
    order = ["zyx"[axis] for axis in bundle.transpose_forward]
    return tuple(order[-len(bundle.patch_size) :])
