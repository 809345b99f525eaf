"""A phantom of mitochondria that touch, with exact truth, for the splitting of objects.

Mitochondria are tubes and ellipsoids with a bent axis, a radius that varies along it and a rough
surface. Some stand alone; the others touch the one before them end to end, end to side or side by side,
through a neck.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter, label

from napari_nnunet_em.geometry import Box, Shape, as_shape

Floats = npt.NDArray[np.float64]

_BALLS = 32  # along an axis; together they look smooth
_GAP_NM = 60.0  # between groups that do not touch
_TRIES = 100


@dataclass(frozen=True)
class TouchingStyle:
    """Sizes of mitochondria and of their contacts; ranges are (smallest, largest).

    Attributes
    ----------
    radius_nm : tuple of float
        Largest radius along a mitochondrion.
    length_nm : tuple of float
        Length of its axis.
    bend_degrees : tuple of float
        By how much the axis turns from end to end.
    waist : tuple of float
        Thinnest radius of a tube between its ends, as a share of the largest.
    neck : tuple of float
        Radius of a contact, as a share of the radius of the thinner of both there.
    roughness_nm : float
        Standard deviation of the surface.
    group_sizes : tuple of int
        Mitochondria per group; chosen with equal chance.
    """

    radius_nm: tuple[float, float] = (110.0, 230.0)
    length_nm: tuple[float, float] = (250.0, 1000.0)
    bend_degrees: tuple[float, float] = (0.0, 150.0)
    waist: tuple[float, float] = (0.8, 1.0)
    neck: tuple[float, float] = (0.3, 0.6)
    roughness_nm: float = 6.0
    group_sizes: tuple[int, ...] = (1, 2, 3)


@dataclass(frozen=True)
class Tube:
    """A mitochondrion as a row of balls.

    Attributes
    ----------
    centre_nm : array, (n, 3), float64
        Centres, z, y, x.
    radius_nm : array, (n,), float64
    """

    centre_nm: Floats
    radius_nm: Floats

    def depth_nm(self, axes_nm: Sequence[Floats]) -> npt.NDArray[np.float32]:
        """How deep each point of a grid lies inside, (z, y, x); negative outside."""
        depth = np.full([len(axis) for axis in axes_nm], -np.inf, np.float32)
        for centre, radius in zip(self.centre_nm, self.radius_nm, strict=True):
            reach = radius + _GAP_NM + 1
            near = [np.searchsorted(a, (c - reach, c + reach)) for a, c in zip(axes_nm, centre, strict=True)]
            part = tuple(slice(first, last) for first, last in near)
            z, y, x = ((a[p] - c) ** 2 for a, p, c in zip(axes_nm, part, centre, strict=True))
            square = (z[:, None, None] + y[:, None] + x).astype(np.float32)
            np.maximum(depth[part], np.float32(radius) - np.sqrt(square), out=depth[part])
        return depth

    def moved(self, shift_nm: Floats) -> Tube:
        """The same mitochondrion elsewhere."""
        return Tube(self.centre_nm + shift_nm, self.radius_nm)


def touching_mitochondria(
    seed: int,
    shape: Sequence[int],
    voxel_size_nm: Sequence[float],
    style: TouchingStyle | None = None,
) -> npt.NDArray[np.uint32]:
    """Place groups of mitochondria in a volume until there is no room for more.

    Parameters
    ----------
    seed : int
        Which volume.
    shape : sequence of int, (z, y, x)
        Voxels.
    voxel_size_nm : sequence of float, (z, y, x)
        Voxel size; mitochondria keep their size in nm.
    style : TouchingStyle, optional
        Sizes and contacts.

    Returns
    -------
    array, (z, y, x), uint32
        1 to n, one number per mitochondrion, and 0. Each is one connected piece; those of a group are one
        connected piece together, and those of different groups do not touch.
    """
    return _Field.empty(seed, shape, voxel_size_nm, style or TouchingStyle()).filled()


@dataclass
class _Field:
    rng: np.random.Generator
    size_nm: Floats
    style: TouchingStyle
    rough: Floats
    ids: npt.NDArray[np.uint32]
    taken: npt.NDArray[np.bool_]
    count: int = field(default=0)

    @classmethod
    def empty(
        cls, seed: int, shape: Sequence[int], voxel_size_nm: Sequence[float], style: TouchingStyle
    ) -> _Field:
        rng = np.random.default_rng(seed)
        size = np.asarray(voxel_size_nm, np.float64)
        noise = gaussian_filter(rng.standard_normal(as_shape(shape)), 40.0 / size)
        return cls(
            rng,
            size,
            style,
            noise * (style.roughness_nm / noise.std()),
            np.zeros(as_shape(shape), np.uint32),
            np.zeros(as_shape(shape), np.bool_),
        )

    def filled(self) -> npt.NDArray[np.uint32]:
        misses = 0
        while misses < _TRIES:
            members = self._group(int(self.rng.choice(self.style.group_sizes)))
            misses = 0 if any(self._placed(members) for _ in range(20)) else misses + 20
        return self.ids

    def _group(self, members: int) -> list[Tube]:
        tubes = [self._tube()]
        while len(tubes) < members:
            tubes.append(self._beside(tubes[-1], self._tube()))
        return tubes

    def _between(self, bounds: tuple[float, float]) -> float:
        return float(self.rng.uniform(*bounds))

    def _direction(self) -> Floats:
        vector = self.rng.standard_normal(3)
        if self.ids.shape[0] == 1:
            vector[0] = 0.0  # an image: everything lies in its plane
        return vector / np.linalg.norm(vector)

    def _tube(self) -> Tube:
        """A bent mitochondrion around the origin: a tube with a waist, or an ellipsoid."""
        style = self.style
        along, other = self._direction(), self._direction()
        across = other - (other @ along) * along
        across /= max(float(np.linalg.norm(across)), 1e-9)
        s = np.linspace(-0.5, 0.5, _BALLS)
        length, turn = self._between(style.length_nm), np.deg2rad(self._between(style.bend_degrees))
        bend = max(turn, 1e-3)
        forward, aside = np.sin(s * bend) / bend, (np.cos(s * bend) - np.cos(bend / 2)) / bend
        centre = length * (forward[:, None] * along + aside[:, None] * across)
        largest = self._between(style.radius_nm)
        if self.rng.random() < 0.3:
            # An ellipsoid: its balls shrink towards both ends.
            return Tube(centre, largest * np.sqrt(1 - 0.9 * (2 * s) ** 2))
        depth = (1 - self._between(style.waist)) / 2
        wave = np.cos(2 * np.pi * (s * self._between((0.8, 1.6)) + self.rng.random()))
        return Tube(centre, largest * (1 - depth + depth * wave))

    def _beside(self, first: Tube, second: Tube) -> Tube:
        """The second mitochondrion, turned about and moved so that it touches the first through a neck."""
        here, there = self._ball(), self._ball()
        outward, inward = self._outward(first, here), self._outward(second, there)
        second = Tube(_turned(second.centre_nm, inward, -outward), second.radius_nm)
        r, q = first.radius_nm[here], second.radius_nm[there]
        neck = self._between(self.style.neck) * min(r, q)
        apart = np.sqrt(r**2 - neck**2) + np.sqrt(q**2 - neck**2)
        return second.moved(first.centre_nm[here] + apart * outward - second.centre_nm[there])

    def _ball(self) -> int:
        """A ball at either end, or somewhere along the side."""
        side = int(self.rng.integers(_BALLS // 4, 3 * _BALLS // 4))
        return int(self.rng.choice([0, _BALLS - 1, side]))

    def _outward(self, tube: Tube, ball: int) -> Floats:
        """A direction that leaves the mitochondrion at one of its balls."""
        centre = tube.centre_nm
        tangent = centre[min(ball + 1, _BALLS - 1)] - centre[max(ball - 1, 0)]
        tangent /= np.linalg.norm(tangent)
        if ball in (0, _BALLS - 1):
            return np.asarray(-tangent if ball == 0 else tangent, np.float64)
        # Away from the side to which the axis bends, where the ends would come in the way.
        middle = centre.mean(axis=0) - centre[ball]
        aside = self._direction() if np.linalg.norm(middle) < 20 else -middle
        aside = aside - (aside @ tangent) * tangent
        return np.asarray(aside / np.linalg.norm(aside), np.float64)

    def _placed(self, members: list[Tube]) -> bool:
        """Put a group somewhere, if it is sound and there is room for it."""
        place = self.rng.random(3) * self.ids.shape * self.size_nm
        if self.ids.shape[0] == 1:
            place[0] = 0.0
        tubes = [tube.moved(place) for tube in members]
        box = self._box(tubes)
        if box.size == 0 or self._meets_others(tubes):
            return False
        axes = [np.arange(a, b) * s for a, b, s in zip(box.start, box.stop, self.size_nm, strict=True)]
        depths = np.stack([tube.depth_nm(axes) for tube in tubes]) + self.rough[box.slices]
        owner = np.where(depths.max(axis=0) > 0, depths.argmax(axis=0) + 1, 0)
        near = depths.max(axis=0) > -_GAP_NM
        if (self.taken[box.slices] & near).any() or not _is_sound(owner, depths > 0):
            return False
        self.ids[box.slices][owner > 0] = owner[owner > 0] + self.count
        self.taken[box.slices] |= owner > 0
        self.count += len(tubes)
        return True

    def _meets_others(self, tubes: Sequence[Tube]) -> bool:
        """Whether an axis runs through mitochondria placed before; a quick look before the exact one."""
        voxels = np.rint(np.concatenate([t.centre_nm for t in tubes]) / self.size_nm).astype(np.intp)
        inside = voxels[((voxels >= 0) & (voxels < self.ids.shape)).all(axis=1)]
        return bool(self.taken[tuple(inside.T)].any())

    def _box(self, tubes: Sequence[Tube]) -> Box:
        reach = [(t.centre_nm - t.radius_nm[:, None], t.centre_nm + t.radius_nm[:, None]) for t in tubes]
        margin = _GAP_NM + 4 * self.style.roughness_nm
        low = np.min([a.min(axis=0) for a, _ in reach], axis=0) - margin
        high = np.max([b.max(axis=0) for _, b in reach], axis=0) + margin
        start, stop = np.floor(low / self.size_nm), np.ceil(high / self.size_nm) + 1
        whole = Box.whole(self.ids.shape)
        return Box(_ints(start), _ints(stop)).intersect(whole)


def _ints(values: Floats) -> Shape:
    return as_shape([int(v) for v in values])


def _turned(points: Floats, source: Floats, target: Floats) -> Floats:
    """Turn points about the origin so that one direction becomes another."""
    # The product of two reflections is a rotation; one of them maps the source onto the target.
    middle = source + target
    if np.linalg.norm(middle) < 1e-9:
        return -points
    middle /= np.linalg.norm(middle)
    mirrored = points - 2 * np.outer(points @ source, source)
    return np.asarray(mirrored - 2 * np.outer(mirrored @ middle, middle), np.float64)


def _is_sound(owner: npt.NDArray[np.intp], inside: npt.NDArray[np.bool_]) -> bool:
    """Whether a group is one piece, each mitochondrion is one piece, and only neighbours in it overlap."""
    pieces = [label(owner == i + 1)[1] for i in range(len(inside))]
    if pieces != [1] * len(inside) or label(owner > 0)[1] != 1:
        return False
    strangers = [(i, j) for i, j in itertools.combinations(range(len(inside)), 2) if j > i + 1]
    if any((inside[i] & inside[j]).any() for i, j in strangers):
        return False
    # A neck is a contact, not a merger: little of either lies inside the other.
    return all(
        (inside[i] & inside[i + 1]).sum() < 0.1 * min(inside[i].sum(), inside[i + 1].sum())
        for i in range(len(inside) - 1)
    )
