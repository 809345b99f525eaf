"""A trained nnU-Net v2 model on disk, described without loading its weights."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_nnunet_em.config import SpacingUnit
from napari_nnunet_em.errors import ModelError
from napari_nnunet_em.model.cards import find_bundled, list_models, read_card, read_licence
from napari_nnunet_em.model.checkpoint import hash_file, read_info
from napari_nnunet_em.model.facts import PlansFacts, read_facts
from napari_nnunet_em.model.installed import find_installed
from napari_nnunet_em.model.locate import locate
from napari_nnunet_em.model.managers import read_json
from napari_nnunet_em.model.names import require_plain_name
from napari_nnunet_em.model.values import ModelChoice

_NANOMETERS = {SpacingUnit.NANOMETER: 1.0, SpacingUnit.MICROMETER: 1e3, SpacingUnit.MILLIMETER: 1e6}
# nnU-Net writes 1 where images have no spacing, and 999 along the axis that a 2D image does not have.
_NO_SPACING = (1.0, 999.0)


@dataclass(frozen=True, kw_only=True)
class ModelBundle(PlansFacts):
    """A trained model, opened by `ModelBundle.open`; besides these attributes it has those of `PlansFacts`.

    Attributes
    ----------
    name : str
        Name of the trained-model folder, or of the bundled model.
    root : pathlib.Path
        The trained-model folder.
    trainer : str
        Name of nnU-Net's trainer class, from the checkpoint.
    available : tuple of ModelChoice
        Every model found below the opened path.
    folds : tuple of str
        Folds on disk: ascending numbers, then ``all``.
    checkpoints : tuple of pathlib.Path
        The checkpoint of each fold.
    mirror_axes : tuple of int
        Axes of the patch that inference may flip, from 0; empty when there are none.
    card : str
        Model card, Markdown; else the description in dataset.json.
    licence : str
        Licence of the model.
    trusted : bool
        Whether the caller allowed the model to run code.
    """

    name: str
    root: Path
    trainer: str
    available: tuple[ModelChoice, ...]
    folds: tuple[str, ...]
    checkpoints: tuple[Path, ...]
    mirror_axes: tuple[int, ...]
    card: str
    licence: str
    trusted: bool

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        configuration: str | None = None,
        checkpoint: str = "checkpoint_final.pth",
        trust: bool = False,
    ) -> ModelBundle:
        """Open a model without loading its weights.

        Parameters
        ----------
        path : str or path
            Name of a bundled or installed model (``mitochondria-3d``; write ``./mitochondria-3d`` for a
            folder of that name), a trained-model folder, a folder above several, a single checkpoint beside
            or below its plans.json, or a zip from ``nnUNetv2_export_model_to_zip``.
        configuration : str, optional
            Which model, where the path holds several: ``3d_fullres`` where that is enough to single one
            out, else the folder's name, or dataset and folder. One model is taken without asking;
            among several trainers of one configuration none is preferred.
        checkpoint : str
            File name of the weights inside each fold; a single checkpoint brings its own.
        trust : bool
            Allow the checkpoint and the plans to run code. Only for files whose origin you know.

        Raises
        ------
        ModelError
            Where there is no such model, several and none chosen, or it is broken, unsafe or unsupported.
        """
        named = find_bundled(os.fspath(path)) or find_installed(os.fspath(path))
        source = named or Path(path).expanduser()
        if not source.exists():
            raise ModelError(
                f"There is no model {os.fspath(path)!r}: give the path of a trained-model folder, zip or "
                f"checkpoint, or one of the names {', '.join(model.name for model in list_models())}."
            )
        found = locate(source, configuration, checkpoint, trust=trust)
        info = read_info(found.checkpoints[0], trust=trust)
        facts = read_facts(found.root, info.configuration)
        _check_mirror_axes(info.mirror_axes, facts)
        dataset = read_json(found.root / "dataset.json")
        return cls(
            **vars(facts),
            # A zip without folders is unpacked under its hash, which nobody would recognise.
            name=source.stem if source.suffix == ".zip" and "__" not in found.root.name else found.root.name,
            root=found.root,
            trainer=require_plain_name(info.trainer, "trainer"),
            available=found.available,
            folds=found.folds,
            checkpoints=found.checkpoints,
            mirror_axes=info.mirror_axes,
            card=read_card(found.root, dataset).text,
            licence=read_licence(found.root, dataset),
            trusted=trust,
        )

    @property
    def target(self) -> str:
        """What the model segments, for people: the names of its classes."""
        names = [info.name for info in self.classes]
        return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)

    def checkpoint_of(self, fold: str) -> Path:
        """The checkpoint of a fold; raises `ModelError` where there is none."""
        (known,) = self.resolve_folds((fold,))
        return self.checkpoints[self.folds.index(known)]

    def resolve_folds(self, folds: Sequence[str] | None) -> tuple[str, ...]:
        """Decide which folds are averaged.

        Parameters
        ----------
        folds : sequence of str or None
            Names such as ``("0", "1")`` or ``("all",)``; `None` takes the numbered folds, else ``all``.

        Raises
        ------
        ModelError
            Where a fold is not on disk, or none is named.
        """
        if folds is None:
            return tuple(fold for fold in self.folds if fold != "all") or self.folds
        wanted = tuple(dict.fromkeys(str(fold) for fold in folds))
        missing = [fold for fold in wanted if fold not in self.folds]
        if missing or not wanted:
            what = f"no fold {', '.join(missing)}" if missing else "to be run with at least one fold"
            raise ModelError(f"The model {self.name} has {what}: choose from {', '.join(self.folds)}.")
        return wanted

    def spacing_nm(self, unit: SpacingUnit) -> tuple[float, ...] | None:
        """The model's spacing in nm, in order of the network's axes.

        Parameters
        ----------
        unit : SpacingUnit
            What the numbers in the plans mean.

        Returns
        -------
        tuple of float or None
            `None` where the model has no real spacing: predict at the volume's own voxel size.
        """
        if unit is SpacingUnit.NONE:
            return None
        if unit is SpacingUnit.AUTO:
            if all(value in _NO_SPACING for value in self.spacing):
                return None
            unit = SpacingUnit.NANOMETER
        return tuple(value * _NANOMETERS[unit] for value in self.spacing)

    def spacing_by_axis(self, unit: SpacingUnit) -> dict[int, float]:
        """The model's spacing in nm along the axes of a volume, 0 (z), 1 and 2.

        Empty where it has none; a 2D model has none across its planes.
        """
        spacing = self.spacing_nm(unit) or ()
        return dict(zip(self.transpose_forward[3 - len(spacing) :], spacing, strict=True))

    def digest(self, folds: Sequence[str] | None = None) -> str:
        """SHA-256 of what decides the prediction: plans, dataset.json, and the checkpoints of the folds."""
        digest = hashlib.sha256(self.configuration.encode())
        for name in ("plans.json", "dataset.json"):
            content = read_json(self.root / name)
            digest.update(json.dumps(content, sort_keys=True, separators=(",", ":")).encode() + b"\0")
        for fold in self.resolve_folds(folds):
            digest.update(f"fold {fold} {hash_file(self.checkpoint_of(fold))}\0".encode())
        return digest.hexdigest()


def _check_mirror_axes(axes: tuple[int, ...], facts: PlansFacts) -> None:
    if any(axis not in range(len(facts.patch_size)) for axis in axes) or len(set(axes)) != len(axes):
        raise ModelError(
            f"The checkpoint allows flips along the axes {axes}, which a network with the patch "
            f"{facts.patch_size} does not have: checkpoint and plans.json belong to different models."
        )
