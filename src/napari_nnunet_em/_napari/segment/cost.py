"""What the job in the form will take: plain functions, for a thread."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_nnunet_em._napari.segment.request import layer_volume
from napari_nnunet_em._napari.threads.libraries import load_libraries
from napari_nnunet_em._napari.words import error_note, without_options
from napari_nnunet_em.errors import NnunetEmError

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_nnunet_em._napari.segment.speeds import Speed, Speeds
    from napari_nnunet_em.config import Job
    from napari_nnunet_em.model import ModelBundle
    from napari_nnunet_em.pipeline import JobPlan

_TIME_TIP = "A preview shows how fast this model runs here; then the time is known."


@dataclass(frozen=True)
class Draft:
    """What the form holds now.

    Attributes
    ----------
    job : Job
        What would be run.
    layer : napari.layers.Image
        On this layer.
    channels : int
        Channels that the model expects.
    """

    job: Job
    layer: Image
    channels: int


@dataclass(frozen=True)
class Cost:
    """What a job will take, in words for the form.

    Attributes
    ----------
    text : str
        Rich text: a line, and below it what should be changed before the job is run.
    tip : str
        What is not known, as plain text.
    """

    text: str
    tip: str = ""


def estimate(draft: Draft, speeds: Speeds) -> Cost:
    """Plan a job without its network; for a thread, because it opens files and may load torch.

    Parameters
    ----------
    draft : Draft
        The job.
    speeds : Speeds
        What was measured in this session.

    Returns
    -------
    Cost
        Also for a job that would be refused: then it says why.
    """
    load_libraries()
    from napari_nnunet_em.pipeline.opening import open_job  # noqa: PLC0415 - brings torch along
    from napari_nnunet_em.pipeline.plan import plan_open_job  # noqa: PLC0415 - as above

    job = draft.job
    try:
        given = job.input
        opened = open_job(job, layer_volume(draft.layer, draft.channels, given.voxel_size_nm, given.level))
        speed = speeds.find(job)
        per_pass = None if speed is None else seconds_per_pass(speed, opened.bundle)
        return plan_words(plan_open_job(opened, seconds_per_pass=per_pass))
    except (NnunetEmError, OSError) as error:
        return problem_words(error)


def seconds_per_pass(speed: Speed, bundle: ModelBundle) -> float:
    """What one forward pass took, in a job of a model that was measured with its flips and folds."""
    from napari_nnunet_em.engine.prepare import mirror_axes  # noqa: PLC0415 - brings torch along

    flips = 2 ** len(mirror_axes(bundle, speed.job.prediction.tta))
    folds = len(bundle.resolve_folds(speed.job.model.folds))
    return float(speed.seconds_per_tile / (flips * folds))


def plan_words(plan: JobPlan) -> Cost:
    """A plan for the form."""
    warnings = "".join(f"<br>{error_note(warning)}" for warning in plan.warnings)
    limits = [note for note in plan.notes if note not in plan.warnings]
    tip = [*limits, *([] if plan.seconds is not None else [_TIME_TIP])]
    return Cost(f"Will take {html.escape(plan.summary())}{warnings}", "\n".join(tip))


def problem_words(problem: Exception | str) -> Cost:
    """Why a job would be refused, shortly; the whole sentence is the tip."""
    sentence = without_options(problem)
    short = sentence.partition(";")[0]
    return Cost(
        html.escape(short if len(short) <= 160 else f"{short[:157].rstrip()} …", quote=False), sentence
    )
