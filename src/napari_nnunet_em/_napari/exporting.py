"""Exporting a layer or a file in a thread: what runs there, and what the window gets back."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_nnunet_em._napari.comparison import layer_labels
from napari_nnunet_em._napari.placement import length_in_nm
from napari_nnunet_em._napari.worker import Ending
from napari_nnunet_em.errors import Cancelled, NnunetEmError
from napari_nnunet_em.export import ExportSettings, export_labels, open_source
from napari_nnunet_em.io import Volume
from napari_nnunet_em.progress import CancelToken, ProgressEvent

if TYPE_CHECKING:
    from napari.layers import Layer


@dataclass(frozen=True)
class Exported:
    """How an export ended.

    Attributes
    ----------
    ending : Ending
        Finished, stopped or failed.
    message : str
        A sentence for the user.
    path : pathlib.Path or None
        What was written, where it finished.
    """

    ending: Ending
    message: str
    path: Path | None = None


def layer_volume(layer: Layer) -> Volume:
    """The data of a labels or image layer with its voxel size and its place in the world; nothing is loaded.

    Rotation and shear, which no format here stores, are left out.

    Raises
    ------
    InputError
        If the layer has other axes than those of a volume or an image.
    """
    volume = layer_labels(layer).volume
    return placed(volume, layer.translate, layer.units)


def placed(volume: Volume, translate: Any, units: Any) -> Volume:
    """The volume with the place that a layer's translation states, where it is a length."""
    origin = length_in_nm(tuple(translate), tuple(units))
    if origin is None:
        return volume
    z, y, x = (0.0, *origin)[-3:]
    return dataclasses.replace(volume, origin_nm=(z, y, x))


def run_export(
    source: Volume | str,
    destination: str,
    settings: ExportSettings,
    token: CancelToken,
    over: threading.Event,
) -> Generator[ProgressEvent, None, Exported]:
    """Export to the end, whatever that is; for a worker thread.

    Parameters
    ----------
    source : Volume or str
        What a layer shows, or an address that `open_volume` opens.
    destination : str
        What is written.
    settings : ExportSettings
        How.
    token : CancelToken
        Stops it before the next block.
    over : threading.Event
        Set when nothing runs any more.

    Returns
    -------
    Exported
        Also where it was refused or stopped: exceptions would end as tracebacks on the screen.
    """
    try:
        volume = open_source(source) if isinstance(source, str) else source
        path = yield from export_labels(volume, destination, settings, token)
        return Exported(Ending.FINISHED, f"Saved in {path}", path)
    except Cancelled as stop:
        return Exported(Ending.STOPPED, str(stop))
    except NnunetEmError as error:
        return Exported(Ending.FAILED, str(error))
    except Exception as error:  # noqa: BLE001
        # Whatever it is, one sentence in the window serves better than a lost thread.
        return Exported(Ending.FAILED, f"The export failed unexpectedly: {type(error).__name__}: {error}")
    finally:
        over.set()
