"""Installing models so that they can be used by name, and removing them.

A model is copied into the user's data folder: plans, descriptions and checkpoints, nothing else. It appears
there all at once, after every checkpoint was read without running any code of it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import uuid
import zipfile
from collections.abc import Sequence
from pathlib import Path

from napari_nnunet_em.errors import ModelError
from napari_nnunet_em.model.archive import check_space, is_model_file, unpack
from napari_nnunet_em.model.bundle import ModelBundle
from napari_nnunet_em.model.cards import bundled_names, read_card
from napari_nnunet_em.model.checkpoint import hash_file, read_info
from napari_nnunet_em.model.installed import RECORD, InstalledModel, installed_models, models_dir
from napari_nnunet_em.model.locate import find_models
from napari_nnunet_em.model.values import ModelChoice, ModelSummary

_NAME = re.compile(r"[A-Za-z0-9][\w.+-]{0,99}", re.ASCII)


def install_model(path: str | os.PathLike[str], name: str | None = None) -> str:
    """Install a model, so that it can be opened by name.

    Parameters
    ----------
    path : str or path
        A zip from ``nnUNetv2_export_model_to_zip``, a trained-model folder, or a folder above several, which
        are then installed together.
    name : str, optional
        Its name; made from that of the dataset or the file without it.

    Returns
    -------
    str
        The name. A model that is installed already is not installed again.

    Raises
    ------
    ModelError
        Where there is no model, it is damaged or would run code, the name is taken, or it cannot be written.
    """
    source = Path(path).expanduser().absolute()
    if not source.exists():
        raise ModelError(f"There is no {source}: give the zip or the folder of a trained nnU-Net v2 model.")
    if (source.is_file() and not zipfile.is_zipfile(source)) or source.suffix in (".pth", ".pt"):
        raise ModelError(
            f"{source} cannot be installed: give a zip from nnUNetv2_export_model_to_zip, or the folder that "
            "holds plans.json, dataset.json and fold_*/checkpoint_*.pth."
        )
    folder = unpack(source) if source.is_file() else source
    choices = find_models(folder)
    name = name or _proposed_name(source, choices)
    _require_free(name)
    files = _model_files(folder, choices)
    known = _same(files)
    if known is not None:
        return known
    try:
        _publish(source, folder, name, files)
    except OSError as error:
        raise ModelError(
            f"The model {source} cannot be copied to {models_dir()} ({error}): make room or permissions "
            "there, or name another folder in $NNUNET_EM_MODELS."
        ) from error
    return name


def remove_model(name: str) -> None:
    """Delete an installed model.

    Raises
    ------
    ModelError
        If there is none of this name, it came with this package, or it cannot be deleted.
    """
    if name in bundled_names():
        raise ModelError(f"The model {name!r} came with this program and stays: it cannot be removed.")
    installed = {model.summary.name: model.summary.root for model in installed_models()}
    if name not in installed:
        names = ", ".join(installed) or "none"
        raise ModelError(f"There is no installed model {name!r} that could be removed; installed: {names}.")
    leaving = installed[name].with_name(f".{name}.{uuid.uuid4().hex}.removed")
    try:
        installed[name].rename(leaving)
        shutil.rmtree(leaving)
    except OSError as error:
        raise ModelError(
            f"The model {name!r} cannot be deleted from {models_dir()} ({error}): close what uses it, and "
            "check the permissions."
        ) from error


def _proposed_name(source: Path, choices: Sequence[ModelChoice]) -> str:
    if source.is_file():
        text = source.stem
    elif len(choices) == 1:
        (choice,) = choices
        text = f"{choice.dataset}-{choice.configuration}" if choice.dataset else choice.name
    else:
        text = source.name
    return re.sub(r"[^\w.+-]+", "-", text, flags=re.ASCII).strip("-._")[:100] or "model"


def _require_free(name: str) -> None:
    if not _NAME.fullmatch(name) or name.endswith("."):
        raise ModelError(
            f"A model cannot be named {name!r}: use letters, digits, '-', '_', '+' and '.', with a letter or "
            "digit first."
        )
    if name in bundled_names():
        raise ModelError(
            f"The name {name!r} is that of a model that came with this program: choose another one."
        )


def _model_files(folder: Path, choices: Sequence[ModelChoice]) -> dict[str, tuple[int, str]]:
    """Size and SHA-256 of what belongs to the models, by path relative to `folder`."""
    files = {}
    for choice in choices:
        inside = choice.root.resolve()
        for path in _files_below(choice.root):
            name = path.relative_to(folder).as_posix()
            if not is_model_file(path.relative_to(choice.root).as_posix()):
                continue
            if not path.resolve().is_relative_to(inside):
                raise ModelError(
                    f"The model {choice.root} is refused because {path} is a link that leads out of it: "
                    "copy the file itself there."
                )
            files[name] = (path.stat().st_size, hash_file(path))
    if not any(name.endswith(".pth") for name in files):
        raise ModelError(f"{folder} holds no fold_*/checkpoint_*.pth: choose the folder of a trained model.")
    return files


def _files_below(root: Path) -> list[Path]:
    """Files of a model and of its folds; nothing deeper, where validation predictions lie."""
    return sorted(path for pattern in ("*", "fold_*/*") for path in root.glob(pattern) if path.is_file())


def _same(files: dict[str, tuple[int, str]]) -> str | None:
    """Name of the installed model that consists of the same files."""
    return next(
        (m.summary.name for m in installed_models() if m.files == files and not m.changed_files), None
    )


def _publish(source: Path, folder: Path, name: str, files: dict[str, tuple[int, str]]) -> None:
    target = models_dir() / name
    if target.exists():
        raise ModelError(
            f"Another model named {name!r} is installed already: remove it first, or give this one "
            "another name."
        )
    models_dir().mkdir(parents=True, exist_ok=True)
    check_space(models_dir(), sum(size for size, _ in files.values()))
    partial = target.with_name(f".{name}.{uuid.uuid4().hex}.partial")
    try:
        for relative, (_, digest) in files.items():
            copied = partial / relative
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / relative, copied)
            if hash_file(copied) != digest:
                raise OSError(f"{relative} was copied with other content")
        record = InstalledModel(_summary(partial, name), str(source), files).document()
        (partial / RECORD).write_text(json.dumps(record, indent=1), encoding="utf-8")
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _summary(partial: Path, name: str) -> ModelSummary:
    """Open every model and read every checkpoint, none of which may run code; say what was found."""
    choices = find_models(partial)
    bundles = [ModelBundle.open(choice.root) for choice in choices]
    for checkpoint in partial.rglob("*.pth"):
        read_info(checkpoint)
    first = bundles[0]
    fields = read_card(first.root, {}).fields
    licence = next((line for line in first.licence.splitlines() if line.strip()), "")
    return ModelSummary(
        name=name,
        title=str(fields.get("title", name)),
        target=first.target,
        configuration=", ".join(dict.fromkeys(bundle.configuration for bundle in bundles)),
        description=str(fields.get("description", first.card.strip().partition("\n")[0])),
        licence=str(fields.get("licence", licence)),
        root=partial,
    )
