"""One run over the whole volume from the Objects dock, tied together on the main thread."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from napari.layers import Image, Labels
from qtpy.QtCore import QObject, Signal

from napari_nnunet_em._napari.forms.progress_words import status_text
from napari_nnunet_em._napari.layers.marks import belongs_to
from napari_nnunet_em._napari.objects.source import ObjectSource, segmented_volume
from napari_nnunet_em._napari.objects.words import labels_prefix
from napari_nnunet_em._napari.segment.job_work import Engine, Stored, make_worker
from napari_nnunet_em._napari.segment.live import LiveLayers
from napari_nnunet_em._napari.threads.activity import ActivityBar
from napari_nnunet_em._napari.threads.outcome import Ending, FoundObjects, RunOutcome
from napari_nnunet_em._napari.threads.worker import TokenWorker
from napari_nnunet_em.errors import InputError
from napari_nnunet_em.io import Lattice
from napari_nnunet_em.pipeline import load_result
from napari_nnunet_em.pipeline.label_job import LabelJob
from napari_nnunet_em.pipeline.labelling import label_probability
from napari_nnunet_em.pipeline.stored import stored_job
from napari_nnunet_em.progress import CancelToken, ProgressEvent

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_nnunet_em.config import InstanceSettings
    from napari_nnunet_em.io import Volume


class ApplyRun(QObject):  # type: ignore[misc]
    """Makes the objects of a whole volume and shows them; use once.

    Parameters
    ----------
    viewer : napari viewer
        Where the objects appear.
    layer : napari.layers.Image
        The probability.
    chosen : ObjectSource
        What it holds.
    settings : InstanceSettings
        How objects are made.
    parent : QObject
        Whoever owns the run; when it goes, the work stops.

    Signals
    -------
    progressed : ProgressEvent
        After each event.
    ended : RunOutcome
        Once, at the end.
    """

    progressed = Signal(object)
    ended = Signal(object)

    def __init__(
        self,
        viewer: ViewerModel,
        layer: Image,
        chosen: ObjectSource,
        settings: InstanceSettings,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._layer, self._chosen = viewer, layer, chosen
        self._settings = settings
        self._token = CancelToken()
        self._worker: TokenWorker | None = None
        self.store = Path()

    def prepare(self, output: Path) -> None:
        """Open all that is needed; `output` counts for layers that are not ours.

        Raises
        ------
        NnunetEmError
            With a sentence that says what does not work.
        """
        chosen = self._chosen
        engine, job, volume = self._label_job(output) if chosen.store is None else self._own_job(chosen.store)
        self.store = job.store
        title = f"objects of {self._layer.name}"
        self._worker = make_worker(title, engine, job, volume, self._token)
        self._worker.yielded.connect(self._on_event)
        self._worker.returned.connect(self._on_outcome)
        # Not a method of this object: by then the object is gone.
        self.destroyed.connect(self._worker.quit)
        self._activity = ActivityBar(f"Objects of {self._layer.name}", self.stop)

    def _own_job(self, store: Path) -> tuple[Engine | None, Stored, Volume | None]:
        job = stored_job(store, self._settings)
        return None, job, segmented_volume(job, self._viewer.layers)

    def _label_job(self, output: Path) -> tuple[Engine | None, Stored, Volume | None]:
        probability = self._chosen.volume
        if probability is None:
            raise InputError(f"The layer {self._layer.name!r} cannot be read: open it again.")
        job = LabelJob(probability, self._settings, output)

        def label(given: LabelJob, *, cancel: CancelToken, **_: object) -> Iterator[ProgressEvent]:
            return label_probability(given, cancel)

        return Engine(label, load_result), job, None

    def start(self) -> None:
        """Start the thread."""
        if self._worker is None:
            raise InputError("The run was not prepared.")
        self._worker.start()

    def stop(self) -> None:
        """Ask to stop after the block in hand; `ended` follows."""
        self._token.cancel()

    def _on_event(self, event: ProgressEvent) -> None:
        self._activity.show(event, status_text(event))
        self.progressed.emit(event)

    def _on_outcome(self, outcome: RunOutcome) -> None:
        self._activity.close()
        try:
            if outcome.ending is Ending.FINISHED:
                self._show(outcome.value or ())
        finally:
            # Also where a layer could not be added: the widget must not look busy for ever.
            self.ended.emit(outcome)

    def _show(self, objects: tuple[FoundObjects, ...]) -> None:
        if self._layer not in self._viewer.layers:
            return
        older = [x for x in self._viewer.layers if isinstance(x, Labels) and belongs_to(x, self.store)]
        for layer in older:
            self._viewer.layers.remove(layer)
        prefix = labels_prefix(self._layer.name, self._chosen.class_name)
        names = tuple(found.name for found in objects)
        shown = LiveLayers(self._viewer, self._layer, self.store, names, Lattice(), prefix)
        shown.show_objects(objects)
