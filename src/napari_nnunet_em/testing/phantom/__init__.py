"""A procedural EM phantom with exact instance truth, in any box of an unbounded-looking domain.

Neurites with dark membranes, mitochondria with cristae, vesicles and shot noise. Every voxel depends on the
seed and on its own coordinates alone, so boxes of any size agree where they overlap, and a volume
of terabytes exists without being stored.
"""

from napari_nnunet_em.testing.phantom.array import PhantomArray, PhantomPart
from napari_nnunet_em.testing.phantom.phantom import Phantom
from napari_nnunet_em.testing.phantom.style import PhantomStyle
from napari_nnunet_em.testing.phantom.truth import connected_truth

__all__ = ["Phantom", "PhantomArray", "PhantomPart", "PhantomStyle", "connected_truth"]
