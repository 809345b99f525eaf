"""Changes on disk that either happen or leave no trace, and failures told in words."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import re
import shutil
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from napari_nnunet_em.errors import OutputError

_REASONS = {
    errno.ENOSPC: (
        "the disk is full",
        "free some space and run the same job again, which keeps what is done",
    ),
    errno.EDQUOT: ("the disk quota is used up", "free some space and run the same job again"),
    errno.EACCES: ("this user may not write there", "choose another folder or change its permissions"),
    errno.EPERM: ("this user may not write there", "choose another folder or change its permissions"),
    errno.EROFS: ("the disk is read-only", "choose a folder on another disk"),
    errno.ENOTDIR: ("a file stands where a folder is needed", "move the file or choose another path"),
    errno.EEXIST: ("a file stands where a folder is needed", "move the file or choose another path"),
    errno.EISDIR: ("a folder stands where a file is needed", "move the folder or choose another path"),
    errno.ENAMETOOLONG: ("the path is too long", "choose a shorter one"),
}

_PATIENCE, _PAUSE_SECONDS = 20, 0.05

# zarr writes "0" by way of "0.<32 hex digits>.partial" and renames it; `replacing` does the same.
_PARTIAL = re.compile(r"\.[0-9a-f]{32}\.partial$")


@contextmanager
def explained(path: Path, action: str = "written") -> Iterator[None]:
    """Turn what the operating system refuses into one sentence about `path`.

    Raises
    ------
    OutputError
        Instead of any other `OSError` inside the block.
    """
    try:
        yield
    except OutputError:
        raise
    except OSError as exc:
        reason, remedy = _REASONS.get(exc.errno or 0, ("", "check the disk and run the same job again"))
        detail = exc.strerror or str(exc)
        reason = f"{reason} ({detail})" if reason else detail
        raise OutputError(f"The output {path} cannot be {action} because {reason}: {remedy}.") from exc


@contextmanager
def undone_on_failure(folders: Sequence[Path]) -> Iterator[None]:
    """Remove whatever appeared in these folders, or as these folders, when the block fails.

    Files that were there before stay, also where they were changed. Whoever else creates something in
    the same folders meanwhile would lose it, so create outputs from one thread.

    Parameters
    ----------
    folders : sequence of path
        Folders that the block fills, and those between them; they need not exist.
    """
    missing = [_topmost_missing(folder) for folder in folders if not folder.exists()]
    before = {folder: set(folder.iterdir()) for folder in folders if folder.is_dir()}
    try:
        yield
    except BaseException:
        let_zarr_finish()
        for folder, entries in before.items():
            for path in set(folder.iterdir()) - entries:
                _delete(path)
        for path in missing:
            _delete(path)
        raise


def let_zarr_finish(timeout_seconds: float = 5.0) -> None:
    """Wait for what zarr still writes beside a write that failed.

    zarr writes several files at once, and leaves the others to themselves when one of them fails; they
    would appear after the undoing.
    """
    from zarr.core.sync import sync  # noqa: PLC0415 - a dock that replaces a small file opens without zarr

    async def others() -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        if tasks:
            await asyncio.wait(tasks, timeout=timeout_seconds)

    sync(others())


def _topmost_missing(path: Path) -> Path:
    while not path.parent.exists():
        path = path.parent
    return path


def _delete(path: Path) -> None:
    """Remove a file or a tree as far as possible: the failure that led here is the one to report."""
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def rename_over(made: Path, path: Path) -> None:
    """Rename a file over another one, which Windows refuses for as long as another program reads that one.

    Raises
    ------
    OSError
        As the system says, on Windows after a second of trying; both files are then as they were.
    """
    for _ in range(_PATIENCE if sys.platform == "win32" else 0):
        with contextlib.suppress(PermissionError):
            made.replace(path)
            return
        time.sleep(_PAUSE_SECONDS)
    made.replace(path)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file so that a reader, or a crash, finds either the old file or the new one.

    Parameters
    ----------
    path : path
        The file; its folder exists.

    Yields
    ------
    path
        A draft beside it, for the block to write: it takes the file's place when the block ends well, and
        else vanishes. A kill may leave it behind, for `sweep_partial`.

    Raises
    ------
    OSError
        As the system says; the old file is then still there.
    """
    draft = path.with_name(f"{path.name}.{uuid.uuid4().hex}.partial")
    try:
        yield draft
        rename_over(draft, path)
    except BaseException:
        _delete(draft)
        raise


def replace_json(path: Path, value: dict[str, Any] | list[Any]) -> None:
    """Write JSON as `replacing` writes a file."""
    with replacing(path) as draft:
        draft.write_text(json.dumps(value, indent=2), encoding="utf-8")


def sweep_partial(store: Path) -> int:
    """Remove the unfinished files that zarr, and `replacing`, leave behind when their process is killed.

    Parameters
    ----------
    store : path
        The output; nobody may be writing to it.

    Returns
    -------
    int
        Number of files removed; 0 where there is no such folder.

    Raises
    ------
    OutputError
        Where such a file cannot be removed.
    """
    removed = 0
    with explained(Path(store), "cleaned up"):
        for folder, _, files in os.walk(store):
            for name in filter(_PARTIAL.search, files):
                Path(folder, name).unlink(missing_ok=True)
                removed += 1
    return removed
