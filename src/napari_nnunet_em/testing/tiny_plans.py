"""What a tiny random nnU-Net v2 model is made of, and its plans.json and dataset.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_ARCHITECTURES = "dynamic_network_architectures.architectures.unet."
_INTENSITIES = {"mean": 120.0, "std": 40.0, "percentile_00_5": 15.0, "percentile_99_5": 235.0}
_LINEAR = {"is_seg": False, "order": 1, "order_z": 0, "force_separate_z": None}


@dataclass(frozen=True)
class TinyModel:
    """What a tiny model is made of; every field has a default.

    Attributes
    ----------
    dim : int
        2 or 3 spatial axes.
    patch_size : tuple of int
        One entry per axis of the network, each divisible by 2 for every stage after the first; ``()`` is
        8 x 16 x 16 or 16 x 16.
    channel_names : tuple of str
        Names of the input channels.
    labels : mapping of str to int or tuple of int
        The ``labels`` of dataset.json: tuples are regions, ``ignore`` is the ignore label.
    regions_class_order : tuple of int
        Label value written for each region; only with regions.
    folds : tuple of str
        Folds that get a checkpoint, each with other random weights.
    spacing : tuple of float
        Target spacing along the axes of the network; ``()`` is 1 everywhere.
    normalization : tuple of str
        Scheme for each channel; a single one is used for every channel.
    use_mask : tuple of bool
        Whether the non-zero mask is used, for each channel; a single one is used for every channel.
    intensity_properties : mapping of str to float
        ``foreground_intensity_properties`` of every channel.
    transpose_forward : tuple of int, (z, y, x)
        Order of axes of the network.
    mirror_axes : tuple of int or None
        Axes of the patch that inference may flip; ``None`` where nnU-Net may flip none.
    architecture : str
        ``PlainConvUNet`` or ``ResidualEncoderUNet``.
    features : tuple of int
        Features of each stage; each stage but the first halves the resolution.
    convs_per_stage : int
        Convolutions (or residual blocks) in each stage, of the decoder too.
    trainer, plans_name, configuration : str
        The three parts of the folder's name; an empty configuration is ``2d`` or ``3d_fullres``.
    data_resampling, probabilities_resampling : mapping
        Keyword arguments of ``resample_data_or_seg_to_shape``.
    old_plans : bool
        Write the plans as early nnU-Net v2 did, without an ``architecture``.
    weights_dtype : str
        Type in which the weights are stored: ``float32`` or ``float16``.
    seed : int
        Seed of the weights.
    """

    dim: int = 3
    patch_size: tuple[int, ...] = ()
    channel_names: tuple[str, ...] = ("EM",)
    labels: Mapping[str, int | tuple[int, ...]] = field(
        default_factory=lambda: {"background": 0, "mitochondria": 1}
    )
    regions_class_order: tuple[int, ...] = ()
    folds: tuple[str, ...] = ("0",)
    spacing: tuple[float, ...] = ()
    normalization: tuple[str, ...] = ("ZScoreNormalization",)
    use_mask: tuple[bool, ...] = (False,)
    intensity_properties: Mapping[str, float] = field(default_factory=lambda: dict(_INTENSITIES))
    transpose_forward: tuple[int, int, int] = (0, 1, 2)
    mirror_axes: tuple[int, ...] | None = (0, 1)
    architecture: str = "PlainConvUNet"
    features: tuple[int, ...] = (4, 8, 8)
    convs_per_stage: int = 1
    trainer: str = "nnUNetTrainer"
    plans_name: str = "nnUNetPlans"
    configuration: str = ""
    data_resampling: Mapping[str, Any] = field(default_factory=lambda: _LINEAR | {"order": 3})
    probabilities_resampling: Mapping[str, Any] = field(default_factory=lambda: dict(_LINEAR))
    old_plans: bool = False
    weights_dtype: str = "float32"
    seed: int = 0

    @property
    def configuration_name(self) -> str:
        """The configuration, with nnU-Net's usual name where none was given."""
        return self.configuration or ("2d" if self.dim == 2 else "3d_fullres")

    @property
    def folder_name(self) -> str:
        """Name of the trained-model folder."""
        return f"{self.trainer}__{self.plans_name}__{self.configuration_name}"

    @property
    def num_outputs(self) -> int:
        """Segmentation heads: one per label with background, or one per region."""
        values = [v for name, v in self.labels.items() if name != "ignore"]
        return len(values) - 1 if self.regions_class_order else len(values)


def planned_model(dim: int) -> TinyModel:
    """A network of the size that nnU-Net plans by default for large images: for benchmarks, not tiny at all.

    Parameters
    ----------
    dim : int
        2: patches of 512 x 512, 46 million parameters; 3: patches of 128 x 128 x 128, 31 million.
    """
    features = (32, 64, 128, 256, 512, 512, 512, 512) if dim == 2 else (32, 64, 128, 256, 320, 320)
    patch = (512, 512) if dim == 2 else (128, 128, 128)
    axes = tuple(range(dim))
    return TinyModel(dim, patch, features=features, convs_per_stage=2, mirror_axes=axes)


def tiny_dataset(model: TinyModel) -> dict[str, Any]:
    """The content of dataset.json."""
    dataset: dict[str, Any] = {
        "channel_names": {str(i): name for i, name in enumerate(model.channel_names)},
        "labels": {k: list(v) if isinstance(v, tuple) else v for k, v in model.labels.items()},
        "numTraining": 1,
        "file_ending": ".tif",
        "name": "Tiny",
        "licence": "none: random weights",
    }
    if model.regions_class_order:
        dataset["regions_class_order"] = list(model.regions_class_order)
    return dataset


def tiny_plans(model: TinyModel) -> dict[str, Any]:
    """The content of plans.json."""
    forward = list(model.transpose_forward)
    properties = {str(i): dict(model.intensity_properties) for i in range(len(model.channel_names))}
    return {
        "dataset_name": "Dataset999_Tiny",
        "plans_name": model.plans_name,
        "original_median_spacing_after_transp": [1.0, 1.0, 1.0],
        "original_median_shape_after_transp": [32, 64, 64],
        "image_reader_writer": "Tiff3DIO",
        "transpose_forward": forward,
        "transpose_backward": [forward.index(axis) for axis in range(3)],
        "configurations": {model.configuration_name: _configuration(model)},
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": properties,
    }


def _patch(model: TinyModel) -> list[int]:
    return list(model.patch_size or (8, 16, 16)[-model.dim :])


def _configuration(model: TinyModel) -> dict[str, Any]:
    channels = len(model.channel_names)
    resample = "resample_data_or_seg_to_shape"
    common: dict[str, Any] = {
        "data_identifier": f"{model.plans_name}_{model.configuration_name}",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": _patch(model),
        "median_image_size_in_voxels": [64.0] * model.dim,
        "spacing": list(model.spacing or (1.0,) * model.dim),
        "normalization_schemes": _per_channel(model.normalization, channels),
        "use_mask_for_norm": _per_channel(model.use_mask, channels),
        "resampling_fn_data": resample,
        "resampling_fn_data_kwargs": dict(model.data_resampling),
        "resampling_fn_seg": resample,
        "resampling_fn_seg_kwargs": _LINEAR | {"is_seg": True},
        "resampling_fn_probabilities": resample,
        "resampling_fn_probabilities_kwargs": dict(model.probabilities_resampling),
        "batch_dice": False,
    }
    return common | (_old_architecture(model) if model.old_plans else tiny_architecture(model))


def _per_channel(values: tuple[Any, ...], channels: int) -> list[Any]:
    return list(values) * channels if len(values) == 1 else list(values)


def _kernels_and_strides(model: TinyModel) -> tuple[list[list[int]], list[list[int]]]:
    later = len(model.features) - 1
    return [[3] * model.dim] * (later + 1), [[1] * model.dim] + [[2] * model.dim] * later


def tiny_architecture(model: TinyModel) -> dict[str, Any]:
    """The network, as plans.json describes it."""
    stages, convs = len(model.features), model.convs_per_stage
    kernels, strides = _kernels_and_strides(model)
    blocks = "n_conv_per_stage" if model.architecture == "PlainConvUNet" else "n_blocks_per_stage"
    return {
        "architecture": {
            "network_class_name": _ARCHITECTURES + model.architecture,
            "arch_kwargs": {
                "n_stages": stages,
                "features_per_stage": list(model.features),
                "conv_op": f"torch.nn.modules.conv.Conv{model.dim}d",
                "kernel_sizes": kernels,
                "strides": strides,
                blocks: [convs] * stages,
                "n_conv_per_stage_decoder": [convs] * (stages - 1),
                "conv_bias": True,
                "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{model.dim}d",
                "norm_op_kwargs": {"eps": 1e-05, "affine": True},
                "dropout_op": None,
                "dropout_op_kwargs": None,
                "nonlin": "torch.nn.LeakyReLU",
                "nonlin_kwargs": {"inplace": True},
            },
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
        }
    }


def _old_architecture(model: TinyModel) -> dict[str, Any]:
    kernels, strides = _kernels_and_strides(model)
    return {
        "UNet_class_name": model.architecture,
        "UNet_base_num_features": model.features[0],
        "unet_max_num_features": max(model.features),
        "n_conv_per_stage_encoder": [model.convs_per_stage] * len(model.features),
        "n_conv_per_stage_decoder": [model.convs_per_stage] * (len(model.features) - 1),
        "num_pool_per_axis": [len(model.features) - 1] * model.dim,
        "pool_op_kernel_sizes": strides,
        "conv_kernel_sizes": kernels,
    }
