"""The plain facts of a configuration: what the rest of the package needs to know, without nnU-Net."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_nnunet_em.errors import ModelError
from napari_nnunet_em.model.managers import Managers, malformed_plans, open_managers
from napari_nnunet_em.model.names import require_plain_name
from napari_nnunet_em.model.values import ClassInfo, NormalizationScheme, ResamplingPlan

if TYPE_CHECKING:
    from nnunetv2.utilities.label_handling.label_handling import LabelManager

_PREPROCESSOR = "DefaultPreprocessor"
_USUAL_FEATURES = 32  # nnU-Net's own planners begin with so many
_OLD_PLANS = "The plans have nnU-Net's old format; the architecture was reconstructed from them by nnU-Net."


@dataclass(frozen=True, kw_only=True)
class PlansFacts:
    """The plain facts of one configuration.

    Attributes
    ----------
    dataset_name, plans_name, configuration : str
        As in the plans.
    channel_names : tuple of str
        Names of the input channels, in order.
    classes : tuple of ClassInfo
        Foreground classes or regions, in order of the network's outputs.
    has_regions : bool
        Whether the outputs are overlapping regions (sigmoid) instead of classes (softmax, background first).
    regions_class_order : tuple of int
        With regions, the label value painted for each output, in painting order; else empty.
    num_outputs : int
        Segmentation heads: with background for classes, without for regions.
    patch_size : tuple of int
        2 or 3 entries, in order of the network's axes.
    spacing : tuple of float
        Target spacing as in the plans, in order of the network's axes, in a unit nnU-Net does not store.
    transpose_forward, transpose_backward : tuple of int
        Order of (z, y, x) in the network, and back.
    normalization : tuple of NormalizationScheme
        One for each channel.
    resampling : ResamplingPlan
        Functions for data and probabilities.
    image_reader_writer : str
        Name of the class with which the training data were read.
    features : int
        Feature maps of the network's first and largest stage, by which its memory is estimated.
    notes : tuple of str
        Sentences that a person who uses the model should see.
    """

    dataset_name: str
    plans_name: str
    configuration: str
    channel_names: tuple[str, ...]
    classes: tuple[ClassInfo, ...]
    has_regions: bool
    regions_class_order: tuple[int, ...]
    num_outputs: int
    patch_size: tuple[int, ...]
    spacing: tuple[float, ...]
    transpose_forward: tuple[int, int, int]
    transpose_backward: tuple[int, int, int]
    normalization: tuple[NormalizationScheme, ...]
    resampling: ResamplingPlan
    image_reader_writer: str
    features: int = _USUAL_FEATURES
    notes: tuple[str, ...] = ()


def read_facts(root: Path, configuration: str) -> PlansFacts:
    """Read the plain facts of one configuration.

    Raises
    ------
    ModelError
        As `open_managers`, and where the facts contradict each other.
    """
    managers = open_managers(root, configuration)
    with malformed_plans(root):
        _refuse_unsupported(managers, configuration)
        facts = _facts(managers, configuration)
        _check(facts)
    return facts


def _refuse_unsupported(managers: Managers, configuration: str) -> None:
    previous = managers.configuration.previous_stage_name
    if previous is not None:
        raise ModelError(
            f"The configuration {configuration!r} is the second stage of a cascade: it needs the prediction "
            f"of {previous!r} as input, which is not supported yet; use another one, such as 3d_fullres."
        )
    preprocessor = managers.configuration.configuration.get("preprocessor_name", _PREPROCESSOR)
    if preprocessor != _PREPROCESSOR:
        raise ModelError(
            f"The configuration {configuration!r} was prepared by the custom preprocessor {preprocessor!r}, "
            f"so the result would differ from nnU-Net's; only models of {_PREPROCESSOR} are supported."
        )


def _facts(managers: Managers, configuration: str) -> PlansFacts:
    plans, chosen, labels = managers.plans, managers.configuration, managers.labels
    forward, backward = _axes(plans.transpose_forward), _axes(plans.transpose_backward)
    old = "architecture" not in _own_or_inherited(plans.plans["configurations"], configuration)
    return PlansFacts(
        dataset_name=str(plans.plans.get("dataset_name", "")),
        plans_name=str(plans.plans.get("plans_name", "")),
        configuration=configuration,
        channel_names=_channel_names(managers.dataset),
        classes=_classes(labels),
        has_regions=bool(labels.has_regions),
        regions_class_order=tuple(int(v) for v in labels.regions_class_order) if labels.has_regions else (),
        num_outputs=int(labels.num_segmentation_heads),
        patch_size=tuple(int(v) for v in chosen.patch_size),
        spacing=tuple(float(v) for v in chosen.spacing),
        transpose_forward=forward,
        transpose_backward=backward,
        normalization=_normalization(managers),
        resampling=_resampling(chosen.configuration),
        image_reader_writer=str(plans.plans.get("image_reader_writer", "")),
        features=_first_features(chosen.network_arch_init_kwargs),
        notes=(_OLD_PLANS,) if old else (),
    )


def _first_features(architecture: Mapping[str, Any]) -> int:
    stages = architecture.get("features_per_stage")
    return int(stages[0]) if isinstance(stages, list | tuple) and stages else _USUAL_FEATURES


def _own_or_inherited(configurations: Mapping[str, Any], name: str) -> set[str]:
    own = configurations[name]
    parent = own.get("inherits_from")
    return set(own) | (_own_or_inherited(configurations, parent) if parent else set())


def _axes(values: list[int]) -> tuple[int, int, int]:
    z, y, x = (int(v) for v in values)
    if sorted((z, y, x)) != [0, 1, 2]:
        raise ValueError(f"{values} is no order of three axes")
    return z, y, x


def _channel_names(dataset: dict[str, Any]) -> tuple[str, ...]:
    # nnU-Net takes "modality", the name of version 1, where both are there.
    names = dataset["modality"] if "modality" in dataset else dataset["channel_names"]
    return tuple(str(names[key]) for key in sorted(names, key=int))


def _classes(labels: LabelManager) -> tuple[ClassInfo, ...]:
    # The ignore label has no output, and the background is no foreground.
    members = {name: _members(v) for name, v in labels.label_dict.items() if name != "ignore"}
    foreground = {name: values for name, values in members.items() if values != {0}}
    if labels.has_regions:
        pairs = list(zip(foreground, labels.regions_class_order, strict=True))
    else:
        pairs = [
            (next(name for name, values in foreground.items() if value in values), value)
            for value in labels.foreground_labels
        ]
    return tuple(ClassInfo(require_plain_name(name, "class"), int(value)) for name, value in pairs)


def _members(value: Any) -> set[int]:
    return {int(v) for v in value} if isinstance(value, list) else {int(value)}


def _normalization(managers: Managers) -> tuple[NormalizationScheme, ...]:
    chosen = managers.configuration
    every = managers.plans.plans
    known = "foreground_intensity_properties_per_channel" in every or (
        "foreground_intensity_properties_by_modality" in every
    )
    properties = managers.plans.foreground_intensity_properties_per_channel if known else {}
    return tuple(
        NormalizationScheme(str(name), bool(mask), _numbers(properties.get(str(i), {})))
        for i, (name, mask) in enumerate(
            zip(chosen.normalization_schemes, chosen.use_mask_for_norm, strict=True)
        )
    )


def _numbers(properties: Mapping[str, Any]) -> dict[str, float]:
    return {key: float(v) for key, v in properties.items() if isinstance(v, int | float)}


def _resampling(configuration: Mapping[str, Any]) -> ResamplingPlan:
    return ResamplingPlan(
        str(configuration["resampling_fn_data"]),
        dict(configuration["resampling_fn_data_kwargs"]),
        str(configuration["resampling_fn_probabilities"]),
        dict(configuration["resampling_fn_probabilities_kwargs"]),
    )


def _check(facts: PlansFacts) -> None:
    """Refuse facts that contradict each other, before anything is built from them."""
    dim = len(facts.patch_size)
    if dim not in (2, 3) or min(facts.patch_size) < 1:
        raise ValueError(f"the patch size {list(facts.patch_size)} is not two or three positive numbers")
    if len(facts.spacing) != dim or min(facts.spacing) <= 0:
        raise ValueError(f"the spacing {list(facts.spacing)} does not fit the patch {list(facts.patch_size)}")
    if len(facts.normalization) != len(facts.channel_names):
        raise ValueError(
            f"{len(facts.channel_names)} channels have {len(facts.normalization)} normalisation schemes"
        )
    if not facts.classes:
        raise ValueError("there is no class besides the background")
