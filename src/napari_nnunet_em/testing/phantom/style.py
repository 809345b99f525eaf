"""How the phantom looks: grey levels, sizes and densities."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PhantomStyle:
    """Grey levels (0 to 255), geometry (nm) and noise; the defaults resemble SBEM of brain tissue.

    Attributes
    ----------
    cytoplasm, membrane, matrix, cristae, outer_membrane, vesicle : float
        Grey levels of cytoplasm, cell membranes, mitochondrial matrix, cristae, the mitochondrial outer
        membrane and vesicles.
    tone : float
        Cells differ from each other by up to this many grey levels, up or down.
    noise : float
        Standard deviation of the shot noise before its slight smoothing, in grey levels.
    blur_voxels : float
        Sigma of the optical blur within a slice, in voxels; across slices it is half as much.
    cell_nm : float
        Mean distance of cells.
    membrane_nm : float
        Half the thickness of a membrane between two cells.
    clearance_nm : float
        Mitochondria keep this far from the border of their cell.
    mitochondrion_share : float
        Share of cells, 0 to 1, that hold a mitochondrion.
    radius_nm, half_length_nm, cristae_nm : tuple of float
        Smallest and largest radius and half length of mitochondria, and scale of their cristae.
    vesicle_share : float
        Vesicles per voxel, 0 to 1.
    """

    cytoplasm: float = 165.0
    membrane: float = 60.0
    matrix: float = 105.0
    cristae: float = 75.0
    outer_membrane: float = 70.0
    vesicle: float = 85.0
    tone: float = 10.0
    noise: float = 14.0
    blur_voxels: float = 0.8
    cell_nm: float = 950.0
    membrane_nm: float = 16.0
    clearance_nm: float = 45.0
    mitochondrion_share: float = 0.85
    radius_nm: tuple[float, float] = (110.0, 230.0)
    half_length_nm: tuple[float, float] = (80.0, 520.0)
    cristae_nm: tuple[float, float] = (45.0, 75.0)
    vesicle_share: float = 0.00097
