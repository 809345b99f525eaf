"""The plain values a model is described with; none of them needs torch or nnU-Net."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, order=True)
class ModelChoice:
    """One trained model found below a path.

    Attributes
    ----------
    dataset : str
        Name of the folder that holds it, usually ``DatasetXXX_Name``; empty where it says nothing.
    trainer, plans, configuration : str
        The three parts of the folder's name; the first two are empty in a folder named otherwise.
    root : pathlib.Path
        The trained-model folder.
    """

    dataset: str
    trainer: str
    plans: str
    configuration: str
    root: Path

    @property
    def name(self) -> str:
        """The folder's name, ``Trainer__Plans__configuration``."""
        return self.root.name

    @property
    def full_name(self) -> str:
        """``DatasetXXX_Name/Trainer__Plans__configuration``."""
        return f"{self.dataset}/{self.name}" if self.dataset else self.name


@dataclass(frozen=True)
class ClassInfo:
    """A foreground class or region of the network.

    Attributes
    ----------
    name : str
        As in dataset.json.
    value : int
        Its value in a label image of classes; for regions that of ``regions_class_order``.
    """

    name: str
    value: int


@dataclass(frozen=True)
class NormalizationScheme:
    """How one channel is normalised.

    Attributes
    ----------
    name : str
        nnU-Net's class, such as ``ZScoreNormalization``; names unknown to this package are kept.
    use_mask : bool
        Whether only the non-zero region counts.
    properties : mapping of str to float
        Intensities of the training data's foreground: ``mean``, ``std``, ``percentile_00_5``,
        ``percentile_99_5`` and whatever else the plans hold; empty where they hold none.
    """

    name: str
    use_mask: bool
    properties: Mapping[str, float]


@dataclass(frozen=True)
class ResamplingPlan:
    """Names and keyword arguments of the functions that resample data and logits.

    Attributes
    ----------
    data_function, probabilities_function : str
        nnU-Net's functions, such as ``resample_data_or_seg_to_shape``; unknown names are kept.
    data_kwargs, probabilities_kwargs : mapping
        Their keyword arguments: ``order``, ``order_z``, ``force_separate_z``, ``is_seg``.
    """

    data_function: str
    data_kwargs: Mapping[str, Any]
    probabilities_function: str
    probabilities_kwargs: Mapping[str, Any]


@dataclass(frozen=True)
class ModelSummary:
    """What a list of models shows of one.

    Attributes
    ----------
    name : str
        What `ModelBundle.open` takes.
    title, target, configuration, description : str
        For people: heading, what is segmented, ``2d`` or ``3d_fullres``, one sentence.
    licence : str
        One sentence.
    root : pathlib.Path
        The trained-model folder.
    """

    name: str
    title: str
    target: str
    configuration: str
    description: str
    licence: str
    root: Path
