"""nnU-Net itself as the oracle."""

from __future__ import annotations

import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.inference.sliding_window_prediction import compute_gaussian


class Float32Predictor(nnUNetPredictor):
    """nnUNetPredictor with its sums and weights in float32 instead of float16."""

    def _internal_predict_sliding_window_return_logits(self, data, slicers, do_on_device=True):
        patch = tuple(self.configuration_manager.patch_size)
        gaussian = compute_gaussian(
            patch, value_scaling_factor=10, dtype=torch.float32, device=torch.device("cpu")
        )
        logits = torch.zeros((self.label_manager.num_segmentation_heads, *data.shape[1:]))
        weights = torch.zeros(data.shape[1:])
        for where in slicers:
            logits[where] += self._internal_maybe_mirror_and_predict(data[where][None])[0] * gaussian
            weights[where[1:]] += gaussian
        return logits / weights
