"""Any box of a volume predicted on its own, with the values that a full run has there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.config import ProbabilityType
from napari_nnunet_em.engine.column import tiles_run
from napari_nnunet_em.engine.output import Encoder
from napari_nnunet_em.engine.preprocess import Preprocessor
from napari_nnunet_em.engine.runner import TileRunner
from napari_nnunet_em.engine.sweep import Sweep
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.model import ModelBundle
from napari_nnunet_em.progress import CancelToken


@dataclass(frozen=True)
class BoxPredictor:
    """Predicts one box at a time; the tiles at its border are predicted again for its neighbours.

    Attributes
    ----------
    sweeps : tuple of Sweep
        One for each orientation of the model.
    """

    sweeps: tuple[Sweep, ...]

    @classmethod
    def of(
        cls, bundle: ModelBundle, sources: Sequence[Preprocessor], runner: TileRunner, cancel: CancelToken
    ) -> BoxPredictor:
        """Predict with a runner from prepared input, one for each orientation."""
        encoder = Encoder.of(bundle, ProbabilityType.FLOAT32)
        return cls(tuple(Sweep(source, runner, encoder, cancel) for source in sources))

    def predict(self, box: Box) -> NDArray[np.float32]:
        """Probabilities of the foreground classes in a box of the volume, (c, z, y, x), float32.

        Raises
        ------
        Cancelled
            Between two batches of tiles, when the token says so.
        """
        parts = [self._swept(sweep, box) for sweep in self.sweeps]
        return parts[0] if len(parts) == 1 else np.mean(parts, axis=0, dtype=np.float32)

    def tiles(self, box: Box) -> int:
        """Tiles that a box of the volume takes, in all orientations."""
        return sum(tiles_run(sweep.space, [[box]]) for sweep in self.sweeps)

    def _swept(self, sweep: Sweep, box: Box) -> NDArray[np.float32]:
        (result,) = sweep.results([box])
        return result.probabilities.astype(np.float32, copy=False)
