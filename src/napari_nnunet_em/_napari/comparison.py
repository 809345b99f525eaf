"""Comparing two labels layers in a thread: what runs there, and what the window gets back."""

from __future__ import annotations

import threading
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_nnunet_em._napari.graphics import load_triton_beside_opengl
from napari_nnunet_em._napari.live import STORE_KEY
from napari_nnunet_em._napari.placement import layer_voxel_size, level_zero
from napari_nnunet_em._napari.worker import Ending
from napari_nnunet_em.errors import Cancelled, InputError, NnunetEmError
from napari_nnunet_em.evaluation import ComparisonSettings, Evaluation, LabelImage, compare
from napari_nnunet_em.io import open_volume
from napari_nnunet_em.progress import CancelToken, ProgressEvent

if TYPE_CHECKING:
    from napari.layers import Labels


@dataclass(frozen=True)
class Judgement:
    """How a comparison ended.

    Attributes
    ----------
    ending : Ending
        Finished, stopped or failed.
    message : str
        A sentence for the user.
    evaluation : Evaluation or None
        The scores, where it finished.
    """

    ending: Ending
    message: str = ""
    evaluation: Evaluation | None = None


def layer_labels(layer: Labels) -> LabelImage:
    """The data of a labels layer as one side of a comparison; nothing is loaded.

    Raises
    ------
    InputError
        If the layer has other axes than those of a volume or an image.
    """
    data = level_zero(layer)
    axes = {2: "yx", 3: "zyx"}.get(data.ndim)
    if axes is None:
        raise InputError(
            f"The layer {layer.name!r} has {data.ndim} axes, but a volume has z, y, x: "
            "split it (Layer > Split Stack) and choose one part."
        )
    known = layer_voxel_size(layer)
    volume = open_volume(data, axes=axes).with_voxel_size(known.voxel_size_nm, known.source)
    return LabelImage(volume, objects=STORE_KEY in layer.metadata)


def run_comparison(
    pred: LabelImage,
    truth: LabelImage,
    settings: ComparisonSettings,
    token: CancelToken,
    over: threading.Event,
) -> Generator[ProgressEvent, None, Judgement]:
    """Compare to the end, whatever that is; for a worker thread.

    Parameters
    ----------
    pred, truth : LabelImage
        The two sides.
    settings : ComparisonSettings
        What is compared, and how.
    token : CancelToken
        Stops it after the block in hand.
    over : threading.Event
        Set when nothing runs any more.

    Returns
    -------
    Judgement
        Also where it was refused or stopped: exceptions would end as tracebacks on the screen.
    """
    try:
        load_triton_beside_opengl()
        evaluation = yield from compare(pred, truth, settings, token)
        return Judgement(Ending.FINISHED, evaluation=evaluation)
    except Cancelled:
        return Judgement(Ending.STOPPED, "Stopped.")
    except NnunetEmError as error:
        return Judgement(Ending.FAILED, str(error))
    except Exception as error:  # noqa: BLE001
        # Whatever it is, one sentence in the window serves better than a lost thread.
        return Judgement(
            Ending.FAILED, f"The comparison failed unexpectedly: {type(error).__name__}: {error}"
        )
    finally:
        over.set()
