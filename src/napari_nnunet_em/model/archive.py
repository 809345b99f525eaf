"""Models in a zip, as ``nnUNetv2_export_model_to_zip`` writes them, unpacked safely into a cache."""

from __future__ import annotations

import os
import re
import shutil
import stat
import uuid
import zipfile
import zlib
from pathlib import Path, PurePosixPath

import platformdirs

from napari_nnunet_em.errors import ModelError
from napari_nnunet_em.model.checkpoint import hash_file
from napari_nnunet_em.quantities import memory

CACHE_VARIABLE = "NNUNET_EM_CACHE"
_MAX_MEMBERS = 100_000
_MAX_BYTES = 64 * 2**30
_MAX_RATIO = 200
_RATIO_MATTERS_FROM_BYTES = 64 * 2**20
_WANTED = re.compile(
    r"(^|/)(plans\.json|dataset\.json|CARD\.md|LICENSE(\.md|\.txt)?|fold_(\d+|all)/checkpoint_[^/]+\.pth)$"
)


def is_model_file(name: str) -> bool:
    """Whether a file, by its path with forward slashes, belongs to a model and is worth keeping."""
    return _WANTED.search(name) is not None


def cache_dir() -> Path:
    """Folder for unpacked models: $NNUNET_EM_CACHE, else the platform's cache folder ($XDG_CACHE_HOME)."""
    override = os.environ.get(CACHE_VARIABLE)
    return Path(override) if override else platformdirs.user_cache_path("napari-nnunet-em", appauthor=False)


def unpack(path: Path) -> Path:
    """Unpack a model's zip, once for each content.

    Only plans, descriptions and checkpoints are unpacked. They appear in the cache all at once under
    the hash of the zip, so that a stopped or failed run leaves nothing half-written there.

    Parameters
    ----------
    path : pathlib.Path
        The zip.

    Returns
    -------
    pathlib.Path
        Folder that holds the model's folders.

    Raises
    ------
    ModelError
        Where the zip is broken or unsafe, holds no model, or the cache cannot be written.
    """
    target = cache_dir() / "models" / hash_file(path)[:32]
    try:
        with zipfile.ZipFile(path) as archive:
            members = _checked_members(path, archive)
            if not _complete(target, members):
                _unpack_into(archive, members, target)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ModelError(f"The zip {path} is damaged ({error}): copy or download it again.") from error
    except OSError as error:
        raise ModelError(
            f"The zip {path} cannot be unpacked into {target.parent} ({error}): make room or permissions "
            f"there, or name another folder in ${CACHE_VARIABLE}."
        ) from error
    return target


def _checked_members(path: Path, archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    members = archive.infolist()
    if len(members) > _MAX_MEMBERS:
        raise ModelError(f"The zip {path} holds {len(members)} files, which no model does; it is refused.")
    for info in members:
        _require_safe(path, info)
    wanted = [info for info in members if is_model_file(info.filename)]
    names = [info.filename.casefold() for info in wanted]
    if len(set(names)) != len(names):
        raise ModelError(f"The zip {path} holds the same file twice, which no model does; it is refused.")
    if not any(name.endswith(".pth") for name in names):
        raise ModelError(
            f"The zip {path} holds no fold_*/checkpoint_*.pth, so it is no exported nnU-Net v2 model, "
            "or it is cut off: use a complete zip from nnUNetv2_export_model_to_zip."
        )
    _require_sane_size(path, wanted)
    return wanted


def _require_safe(path: Path, info: zipfile.ZipInfo) -> None:
    # Windows reads backslashes and drives in names, so they are refused everywhere.
    name = info.orig_filename
    pure = PurePosixPath(name)
    escapes = pure.is_absolute() or ".." in pure.parts or set(name) & set("\\:\0")
    if escapes or stat.S_ISLNK(info.external_attr >> 16):
        what = "leads out of its folder" if escapes else "is a link"
        raise ModelError(
            f"The zip {path} is refused because its member {name!r} {what}, "
            "which no exported model needs: get the model from a source you trust."
        )
    if info.flag_bits & 1:
        raise ModelError(f"The zip {path} is encrypted: unpack it yourself and open the folder.")


def _require_sane_size(path: Path, members: list[zipfile.ZipInfo]) -> None:
    unpacked = sum(info.file_size for info in members)
    packed = sum(info.compress_size for info in members)
    bomb = unpacked > _RATIO_MATTERS_FROM_BYTES and unpacked > _MAX_RATIO * max(packed, 1)
    if bomb or unpacked > _MAX_BYTES:
        raise ModelError(
            f"The zip {path} would unpack to {memory(unpacked)} from {memory(packed)}, "
            "which is no model; if it is one all the same, unpack it yourself and open the folder."
        )


def _complete(target: Path, members: list[zipfile.ZipInfo]) -> bool:
    """Whether every member lies there in full; a power cut may have cut files off."""
    return all(
        (target / info.filename).is_file() and (target / info.filename).stat().st_size == info.file_size
        for info in members
    )


def check_space(folder: Path, needed_bytes: int) -> None:
    """Refuse to begin what would fill the disk.

    Raises
    ------
    OSError
        With what is needed and what is free.
    """
    free = shutil.disk_usage(folder).free
    if needed_bytes > free:
        raise OSError(f"{memory(needed_bytes)} are needed and {memory(free)} are free")


def _unpack_into(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    check_space(target.parent, sum(info.file_size for info in members))
    partial = target.with_name(f"{target.name}.{uuid.uuid4().hex}.partial")
    try:
        for info in members:
            # `extract` joins and cleans names by itself; they were checked above all the same.
            archive.extract(info, partial)
        _publish(partial, target, members)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _publish(partial: Path, target: Path, members: list[zipfile.ZipInfo]) -> None:
    """Give the unpacked folder its name; another process may have been first with the same content."""
    if target.exists() and not _complete(target, members):
        shutil.rmtree(target)
    try:
        partial.rename(target)
    except OSError:
        if not _complete(target, members):
            raise
