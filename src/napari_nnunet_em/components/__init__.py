"""Connected components of volumes larger than memory: exact, and numbered the same for any blocks."""

from napari_nnunet_em.components.along_runs import find_along_runs
from napari_nnunet_em.components.find import Components, find_components
from napari_nnunet_em.components.finder import ComponentFinder
from napari_nnunet_em.components.joining import join_components
from napari_nnunet_em.components.layout import Layout, PlaneConnectivity
from napari_nnunet_em.components.measures import Geometry, Measure, Reduction, ValueSum
from napari_nnunet_em.components.runs import Runs
from napari_nnunet_em.components.table import ComponentTable, label_dtype

__all__ = [
    "ComponentFinder",
    "ComponentTable",
    "Components",
    "Geometry",
    "Layout",
    "Measure",
    "PlaneConnectivity",
    "Reduction",
    "Runs",
    "ValueSum",
    "find_along_runs",
    "find_components",
    "join_components",
    "label_dtype",
]
