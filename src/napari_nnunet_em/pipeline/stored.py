"""A finished prediction as it lies in its store: what its objects are made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_nnunet_em.config import InstanceSettings, Job
from napari_nnunet_em.errors import OutputError
from napari_nnunet_em.instances import ClassProbability
from napari_nnunet_em.io import MultiscaleSink
from napari_nnunet_em.model import ModelBundle
from napari_nnunet_em.pipeline.boundary import boundary_channel
from napari_nnunet_em.pipeline.journal import JobFolder
from napari_nnunet_em.pipeline.prediction import CLASSES, exclusive_classes, lost_classes


def stored_job(store: Path, settings: InstanceSettings | None = None) -> Job:
    """The job whose output this is.

    Parameters
    ----------
    store : pathlib.Path
        The output, wherever it was moved to.
    settings : InstanceSettings, optional
        Make objects with these instead of its own.

    Raises
    ------
    OutputError
        If there is no job of ours that predicts.
    """
    document = JobFolder(store).load("job") or {}
    if "job" not in document:
        raise OutputError(f"{store} holds no prediction of this program: choose the output of a job.")
    job = Job.model_validate(document["job"])
    changes: dict[str, object] = {
        "output": job.output.model_copy(update={"path": str(store), "overwrite": False})
    }
    if settings is not None:
        changes["instances"] = settings.model_copy(update={"enabled": True})
    return job.model_copy(update=changes)


def stored_input(store: Path) -> dict[str, Any]:
    """What a job was begun on: ``content`` (its `Volume.fingerprint`), ``shape`` and ``voxel_size_nm``.

    Raises
    ------
    OutputError
        If there is no job.
    """
    document = JobFolder(store).load("job") or {}
    if "identity" not in document:
        raise OutputError(f"{store} holds no job of this program: choose the output of one.")
    return dict(document["identity"]["input"])


@dataclass(frozen=True, eq=False)
class StoredClass:
    """One class of a stored prediction.

    Attributes
    ----------
    name : str
        Of the class.
    source : ClassProbability
        What its objects are made of.
    voxel_size_nm : tuple of float, (z, y, x)
        Voxel size.
    """

    name: str
    source: ClassProbability
    voxel_size_nm: tuple[float, float, float]


def stored_class(store: Path, channel: int) -> StoredClass:
    """One class of a stored prediction, as the job that finds its objects sees it.

    Parameters
    ----------
    store : pathlib.Path
        Output of the job; it need not be finished.
    channel : int
        Which class, in the order of the model.

    Raises
    ------
    OutputError
        If there is no prediction of ours, or exclusive classes are not told apart in it.
    ModelError
        If there are several classes and the model that tells how they exclude each other is gone.
    """
    model = stored_job(store).model
    probability = MultiscaleSink.open(store, "")
    size_nm = probability.spec.voxel_size_nm
    names = probability.spec.channel_names
    if not probability.spec.channels:
        return StoredClass(names[0] if names else "", ClassProbability(probability.levels[0]), size_nm)
    bundle = ModelBundle.open(
        model.path, configuration=model.configuration, checkpoint=model.checkpoint, trust=model.trust
    )
    label = f"labels/{CLASSES}"
    classes = MultiscaleSink.open(store, label) if MultiscaleSink.exists(store, label) else None
    return StoredClass(names[channel], class_source(bundle, probability, classes, channel), size_nm)


def class_source(
    bundle: ModelBundle, probability: MultiscaleSink, classes: MultiscaleSink | None, index: int
) -> ClassProbability:
    """What the objects of one class are made of.

    Parameters
    ----------
    bundle : ModelBundle
        The model.
    probability : MultiscaleSink
        Stored probabilities.
    classes : MultiscaleSink or None
        Most probable classes, where they are stored.
    index : int
        Which class of the model.

    Raises
    ------
    OutputError
        If the classes of the model are exclusive, and not stored.
    """
    exclusive = classes if exclusive_classes(bundle) else None
    if exclusive is None and exclusive_classes(bundle):
        raise lost_classes(probability.store)
    return ClassProbability(
        probability.levels[0],
        index,
        None if exclusive is None else exclusive.levels[0],
        bundle.classes[index].value,
        boundary_channel(bundle),
    )
