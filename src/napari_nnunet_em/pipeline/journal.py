"""What a job remembers beside its output, so that it can be stopped, killed, moved and continued."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from napari_nnunet_em.errors import OutputError
from napari_nnunet_em.geometry import Box, as_shape
from napari_nnunet_em.io import JOB_FOLDER
from napari_nnunet_em.io.staging import replace_json

_JOURNAL = "journal"


class JobFolder:
    """The folder ``.nnunet-em`` inside an output.

    Small documents are replaced atomically. The journal is a list of finished blocks that only grows; a line
    cut short by a crash is ignored, and its block done again.

    Parameters
    ----------
    store : pathlib.Path
        The OME-Zarr that the job writes.
    """

    def __init__(self, store: Path) -> None:
        self.store = store
        self.path = store / JOB_FOLDER

    def exists(self) -> bool:
        """Whether a job was begun here."""
        return (self.path / "job.json").is_file()

    def load(self, name: str) -> dict[str, Any] | None:
        """Read a document such as ``job``; None where there is none.

        Raises
        ------
        OutputError
            If it cannot be read.
        """
        file = self.path / f"{name}.json"
        try:
            document = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise OutputError(
                f"{file} cannot be read ({error}), so the job in {self.store} cannot be continued; "
                "write to another output, or delete this one."
            ) from error
        return dict(document)

    def save(self, name: str, document: Mapping[str, Any]) -> None:
        """Replace a document in one step.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        file = self.path / f"{name}.json"
        with _explained(file):
            self.path.mkdir(parents=True, exist_ok=True)
            replace_json(file, dict(document))

    def discard(self, name: str) -> None:
        """Forget a document.

        Raises
        ------
        OutputError
            If it cannot be deleted.
        """
        file = self.path / f"{name}.json"
        with _explained(file):
            file.unlink(missing_ok=True)

    def has_finished_blocks(self) -> bool:
        """Whether any block, of the output or of an intermediate part, is durable."""
        return any(file.stat().st_size for file in self.path.glob(f"{_JOURNAL}*.jsonl"))

    def discard_part(self, part: str) -> None:
        """Forget which blocks of an intermediate part are durable.

        Raises
        ------
        OutputError
            If that cannot be deleted.
        """
        file = self._journal(part)
        with _explained(file):
            file.unlink(missing_ok=True)

    def finished_blocks(self, part: str = "") -> set[Box]:
        """Boxes of the volume whose blocks are durable, in the output or in an intermediate part."""
        file = self._journal(part)
        if not file.exists():
            return set()
        boxes = set()
        for line in file.read_text(encoding="utf-8").splitlines():
            try:
                start, stop = json.loads(line)
                boxes.add(Box(as_shape(start), as_shape(stop)))
            except (ValueError, TypeError):
                continue  # cut short by a crash
        return boxes

    def record(self, box: Box, part: str = "") -> None:
        """Note that a block is durable, in the output or in an intermediate part of the job.

        Raises
        ------
        OutputError
            If the note cannot be written.
        """
        file = self._journal(part)
        with _explained(file), file.open("a", encoding="utf-8") as journal:
            # A line cut short by a crash must not swallow this one.
            journal.write(f"\n{json.dumps([box.start, box.stop])}\n")
            journal.flush()
            os.fsync(journal.fileno())

    def _journal(self, part: str) -> Path:
        return self.path / (f"{_JOURNAL}-{part}.jsonl" if part else f"{_JOURNAL}.jsonl")


@contextmanager
def _explained(file: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise OutputError(
            f"{file} cannot be written because its folder is gone: the output was moved or deleted, or its "
            "drive disconnected, while the job ran; bring it back or choose another output, then run the "
            "same job again."
        ) from error
    except OSError as error:
        raise OutputError(
            f"{file} cannot be written ({error.strerror or error}); free space or check the permissions, "
            "then run the same job again: what is finished is kept."
        ) from error
