"""Trained nnU-Net v2 models: found, described, checked and loaded.

Importing this loads neither torch nor nnU-Net; building or opening a model does.
"""

from napari_nnunet_em.model.bundle import ModelBundle
from napari_nnunet_em.model.cards import list_models
from napari_nnunet_em.model.describe import describe
from napari_nnunet_em.model.facts import PlansFacts
from napari_nnunet_em.model.installed import installed_models, models_dir
from napari_nnunet_em.model.installing import install_model, remove_model
from napari_nnunet_em.model.locate import find_models
from napari_nnunet_em.model.networks import LoadedNetworks, import_trainer, load_networks
from napari_nnunet_em.model.values import (
    ClassInfo,
    ModelChoice,
    ModelSummary,
    NormalizationScheme,
    ResamplingPlan,
)

__all__ = [
    "ClassInfo",
    "LoadedNetworks",
    "ModelBundle",
    "ModelChoice",
    "ModelSummary",
    "NormalizationScheme",
    "PlansFacts",
    "ResamplingPlan",
    "describe",
    "find_models",
    "import_trainer",
    "install_model",
    "installed_models",
    "list_models",
    "load_networks",
    "models_dir",
    "remove_model",
]
