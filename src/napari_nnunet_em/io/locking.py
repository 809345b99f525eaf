"""One writer per output: two processes that continued the same job would spoil each other's blocks.

The lock is one of the operating system, on a file in the job's folder, so it ends with the process that
holds it, however that ends. Beside it lies a note of who that is: for the message to the second one, and as
the only sign on file systems without locks.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import json
import os
import socket
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from napari_nnunet_em.errors import OutputError
from napari_nnunet_em.io.output import JOB_FOLDER, LOCK_FILES
from napari_nnunet_em.io.staging import explained, replace_json

_LOCK, _NOTE = LOCK_FILES
# What Lustre and NFS answer where they were mounted without locks.
_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP}


@dataclass(frozen=True)
class Writer:
    """The process that writes an output.

    Attributes
    ----------
    host : str
        Its computer.
    pid : int
        Its number there.
    born : float
        When the process began, in seconds since 1970: numbers are given again.
    since : str
        When it began to write, ISO 8601 in UTC.
    """

    host: str
    pid: int
    born: float
    since: str

    @classmethod
    def me(cls) -> Writer:
        """The running process, from now on."""
        now = dt.datetime.now(dt.UTC).isoformat(sep=" ", timespec="seconds")
        return cls(socket.gethostname(), os.getpid(), psutil.Process().create_time(), now)

    @property
    def here(self) -> bool:
        """Whether it is a process of this computer."""
        return self.host == socket.gethostname()

    @property
    def gone(self) -> bool:
        """Whether it is known to run no more; of another computer's processes nothing is known."""
        if not self.here:
            return False
        try:
            return abs(psutil.Process(self.pid).create_time() - self.born) > 1
        except psutil.NoSuchProcess:
            return True
        except psutil.AccessDenied:  # Windows tells little of other users' processes
            return False


@contextlib.contextmanager
def only_writer(store: Path) -> Iterator[None]:
    """Be the only one that writes an output; a folder that holds nothing afterwards is removed again.

    Parameters
    ----------
    store : pathlib.Path
        The OME-Zarr; made where it is missing.

    Raises
    ------
    OutputError
        At once, if another process, or another job of this one, writes it; or if it cannot be written.
    """
    room = store / JOB_FOLDER
    lock = FileLock(room / _LOCK, thread_local=False, fallback_to_soft=False)
    with explained(store):
        new = not room.exists()
        room.mkdir(parents=True, exist_ok=True)
        _take(lock, store)
    try:
        with explained(store):
            replace_json(room / _NOTE, asdict(Writer.me()))
        yield
    finally:
        with contextlib.suppress(OSError):
            (room / _NOTE).unlink(missing_ok=True)
        _leave(lock, room, new)


def is_written_here(store: Path) -> bool:
    """Whether a process of this computer writes an output now, going by its note; takes no lock."""
    writer = _writer(store)
    return writer is not None and writer.here and not writer.gone


def _take(lock: FileLock, store: Path) -> None:
    try:
        lock.acquire(blocking=False)
    except Timeout as refused:
        raise OutputError(_busy(store, _writer(store))) from refused
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        writer = _writer(store)
        if writer is not None and not writer.gone:
            raise OutputError(_busy(store, writer, sure=writer.here)) from error


def _leave(lock: FileLock, room: Path, new: bool) -> None:
    """Let others write; where there is nothing, leave nothing.

    An empty room that was there before may be the mark of an image, and a `new` one would wrongly be.
    """
    empty = _names(room) <= {_LOCK} and (new or _names(room.parent) <= {room.name})
    if empty:
        # Before it is released: whoever waits for the old file then sees that it has lost its name.
        with contextlib.suppress(OSError):
            (room / _LOCK).unlink()
    lock.release()
    if empty:
        with contextlib.suppress(OSError):
            if sys.platform == "win32":  # where an open file cannot be deleted, by nobody
                (room / _LOCK).unlink(missing_ok=True)
            room.rmdir()
            room.parent.rmdir()


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def _writer(store: Path) -> Writer | None:
    try:
        return Writer(**json.loads((store / JOB_FOLDER / _NOTE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None  # it has only just begun


def _busy(store: Path, writer: Writer | None, *, sure: bool = True) -> str:
    """Who writes it, and what to do."""
    if writer is None:
        who = "by another process"
    elif writer.here and writer.pid == os.getpid():
        who = f"by this same program, perhaps for another window, since {writer.since}"
    else:
        where = "this computer" if writer.here else writer.host
        who = f"by process {writer.pid} on {where}, since {writer.since}"
    todo = "let that finish, or stop it, or choose another output"
    if not sure:
        todo += f"; if it runs no more, delete {store / JOB_FOLDER / _NOTE}"
    return f"The output {store} is being written {who}: {todo}."
