"""From the path that a user has to one trained-model folder and its checkpoints."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_nnunet_em.errors import ModelError
from napari_nnunet_em.model.archive import unpack
from napari_nnunet_em.model.checkpoint import read_info
from napari_nnunet_em.model.names import require_plain_name
from napari_nnunet_em.model.values import ModelChoice

_FOLD = re.compile(r"fold_(\d+|all)")
_DEPTH = 3
_CHECKPOINT_SUFFIXES = (".pth", ".pt")


@dataclass(frozen=True)
class Location:
    """One trained-model folder, chosen.

    Attributes
    ----------
    root : pathlib.Path
        Folder with plans.json and dataset.json.
    folds : tuple of str
        Folds that have the checkpoint: ascending numbers, then ``all``.
    checkpoints : tuple of pathlib.Path
        The checkpoint of each fold.
    available : tuple of ModelChoice
        Every model found below the user's path.
    """

    root: Path
    folds: tuple[str, ...]
    checkpoints: tuple[Path, ...]
    available: tuple[ModelChoice, ...]


def locate(path: Path, configuration: str | None, checkpoint: str, *, trust: bool) -> Location:
    """Find the model that a path means.

    Parameters
    ----------
    path : pathlib.Path
        Trained-model folder, one of its folds or files, a folder above several, or a zip.
    configuration : str or None
        Which one, where there are several: a configuration (``2d``), a folder's name
        (``Trainer__Plans__2d``), or both names (``Dataset001_X/Trainer__Plans__2d``).
    checkpoint : str
        File name of the weights inside each fold.
    trust : bool
        Whether checkpoints may run code.

    Raises
    ------
    ModelError
        Where there is no model, or several and `configuration` does not single one out.
    """
    require_plain_name(checkpoint, "checkpoint")
    if _is_checkpoint(path):
        return _locate_checkpoint(path, configuration, trust)
    if _FOLD.fullmatch(path.name) and (path / checkpoint).is_file():
        return _locate_checkpoint(path / checkpoint, configuration, trust)
    available = tuple(_describe(root, checkpoint, trust) for root in _model_folders(_folder(path)))
    chosen = _choose(path, available, configuration)
    files = dict(_checkpoints(chosen.root, checkpoint))
    if not files:
        raise _no_checkpoint(chosen.root, checkpoint)
    return Location(chosen.root, tuple(files), tuple(files.values()), available)


def find_models(path: Path, *, trust: bool = False) -> tuple[ModelChoice, ...]:
    """Find every model that a path holds, to choose one from.

    Parameters
    ----------
    path : pathlib.Path
        As in `locate`; a single checkpoint gives nothing, as there is nothing to choose.
    trust : bool
        Whether checkpoints may run code.

    Raises
    ------
    ModelError
        Where there is no model, or the zip is unsafe.
    """
    if _is_checkpoint(path):
        return ()
    return tuple(_describe(root, "checkpoint_final.pth", trust) for root in _model_folders(_folder(path)))


def _is_checkpoint(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in _CHECKPOINT_SUFFIXES


def _folder(path: Path) -> Path:
    """The folder that a folder, a model's JSON file or a zip stands for."""
    if not path.is_file():
        return path
    if path.name in ("plans.json", "dataset.json"):
        return path.parent
    if not zipfile.is_zipfile(path):
        raise ModelError(
            f"{path} is no model: give a trained-model folder, a checkpoint_*.pth beside or below its "
            "plans.json, or a zip from nnUNetv2_export_model_to_zip."
        )
    return unpack(path)


def _locate_checkpoint(path: Path, configuration: str | None, trust: bool) -> Location:
    root = next((p for p in path.absolute().parents[:_DEPTH] if (p / "plans.json").is_file()), None)
    if root is None:
        raise ModelError(
            f"The checkpoint {path} has no plans.json beside or above it, without which nnU-Net cannot "
            "describe the network: copy plans.json and dataset.json from where the model was trained."
        )
    info = read_info(path, trust=trust)
    fold = _FOLD.fullmatch(path.absolute().parent.name) or _FOLD.fullmatch(f"fold_{info.fold}")
    available = (_describe(root, path.name, trust, info.configuration),)
    _choose(root, available, configuration)
    return Location(root, (fold[1] if fold else "all",), (path,), available)


def _model_folders(path: Path) -> list[Path]:
    if (path / "plans.json").is_file() or _has_folds(path):
        return [path]
    found = list(_search(path, _DEPTH))
    if not found:
        raise ModelError(
            f"The folder {path} holds no nnU-Net v2 model: give a folder with plans.json, dataset.json and "
            "fold_*/checkpoint_*.pth, or one above it."
        )
    return found


def _search(path: Path, depth: int) -> Iterator[Path]:
    for folder in _subfolders(path):
        # Folders of ensembles hold a plans.json too, but no folds.
        if _has_folds(folder):
            yield folder
        elif depth > 1:
            yield from _search(folder, depth - 1)


def _has_folds(path: Path) -> bool:
    return any(_FOLD.fullmatch(folder.name) for folder in _subfolders(path))


def _subfolders(path: Path) -> list[Path]:
    try:
        return sorted(p for p in path.iterdir() if p.is_dir())
    except PermissionError:  # A folder of somebody else between ours holds nothing that we could open.
        return []


def _describe(root: Path, checkpoint: str, trust: bool, configuration: str = "") -> ModelChoice:
    parts = root.name.split("__")
    dataset = root.parent.name if root.parent.name.startswith("Dataset") else ""
    if len(parts) == 3:
        return ModelChoice(dataset, parts[0], parts[1], configuration or parts[2], root)
    return ModelChoice(dataset, "", "", configuration or _peek(root, checkpoint, trust), root)


def _peek(root: Path, checkpoint: str, trust: bool) -> str:
    """Configuration of a folder whose name does not say it; empty where its checkpoint does not either."""
    found = _checkpoints(root, checkpoint)
    try:
        return read_info(found[0][1], trust=trust).configuration if found else ""
    except ModelError:
        return ""


def _checkpoints(root: Path, checkpoint: str) -> list[tuple[str, Path]]:
    folds = [match[1] for p in root.iterdir() if (match := _FOLD.fullmatch(p.name))]
    folds.sort(key=lambda fold: (fold == "all", int(fold) if fold != "all" else 0))
    found = [(fold, root / f"fold_{fold}" / checkpoint) for fold in folds]
    found = [(fold, path) for fold, path in found if path.is_file()]
    beside = root / checkpoint
    return found or ([("all", beside)] if beside.is_file() else [])


def _choose(path: Path, available: Sequence[ModelChoice], configuration: str | None) -> ModelChoice:
    wanted = [
        choice
        for choice in available
        if configuration is None or configuration in (choice.configuration, choice.name, choice.full_name)
    ]
    if len(wanted) == 1:
        return wanted[0]
    names = ", ".join(choice.full_name for choice in (wanted or available))
    if not wanted:
        known = ", ".join(sorted({choice.configuration for choice in available if choice.configuration}))
        raise ModelError(
            f"{path} has no configuration {configuration!r}; it has {known or 'none'}: choose one of {names}."
        )
    which = "" if configuration is None else f" of configuration {configuration!r}"
    raise ModelError(
        f"{path} holds several models{which}: choose one by its configuration or its full name, of {names}."
    )


def _no_checkpoint(root: Path, checkpoint: str) -> ModelError:
    there = sorted({p.name for p in root.glob("fold_*/*.pth")} | {p.name for p in root.glob("*.pth")})
    remedy = f"choose one of {', '.join(there)}" if there else "train the model, or copy its folds here"
    return ModelError(f"No fold of the model {root} has a {checkpoint}: {remedy}.")
