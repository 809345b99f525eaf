"""Which of the many regions around maxima belong together.

Two rules, in this order:

1. **Necks.** Two neighbouring regions stay apart where the highest way between them is a neck, else they are
   one. A neck lies below a share (the strength) of the lower of the two summits, or, of h-maxima, by a
   fixed depth below it; the former are h-maxima too, with a depth in proportion to the summit.
2. **Small parts.** The smallest part below the minimum size joins the neighbour with which it shares most
   surface, until no such part with a neighbour is left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.config import InstanceSettings, SplitMethod
from napari_nnunet_em.instances.splitting.basins import Borders, Floats, Integers


@dataclass(frozen=True)
class NeckRule:
    """How low the way between two summits must be to be a neck.

    Attributes
    ----------
    share : float
        Share of the lower summit.
    depth : float
        Below that, in the unit of the heights; for distances nm.
    """

    share: float = 1.0
    depth: float = 0.0

    @classmethod
    def of(cls, settings: InstanceSettings) -> NeckRule:
        """What the settings ask for."""
        if settings.split is SplitMethod.H_MAXIMA:
            return cls(depth=settings.split_depth_nm)
        return cls(share=settings.split_strength)

    def below(self, lower_summit: float) -> float:
        """The height below which a way is a neck."""
        return self.share * lower_summit - self.depth


class Groups:
    """Sets of the numbers from 0 to `count` - 1 that join; each goes by its lowest member."""

    def __init__(self, count: int) -> None:
        self._chief = list(range(count))

    def find(self, member: int) -> int:
        """Lowest member of a number's set."""
        chief = self._chief
        while chief[member] != member:
            chief[member] = chief[chief[member]]
            member = chief[member]
        return member

    def join(self, one: int, other: int) -> int:
        """Join the sets of two numbers, and give the lowest member of both."""
        low, high = sorted((self.find(one), self.find(other)))
        self._chief[high] = low
        return low

    def names(self) -> Integers:
        """Lowest member of the set of each number."""
        return np.array([self.find(i) for i in range(len(self._chief))], dtype=np.int64)


def join_by_necks(summit: NDArray[Any], borders: Borders, rule: NeckRule) -> Integers:
    """Join regions that no neck separates.

    Parameters
    ----------
    summit : array, (regions + 1,), float
        Highest height in each region, by label; entry 0 is the outside.
    borders : Borders
        Of the regions.
    rule : NeckRule
        What a neck is.

    Returns
    -------
    array, (regions + 1,), int64
        For each label the lowest label of its group.
    """
    highest = summit.astype(np.float64).tolist()
    groups, above = Groups(len(highest)), Groups(len(highest))
    # From the highest pass down, so that each region is compared with all that lies above the pass.
    order = np.lexsort((borders.other, borders.one, -borders.pass_height))
    for one, other, height in zip(
        borders.one[order].tolist(), borders.other[order].tolist(), borders.pass_height[order], strict=True
    ):
        first, second = above.find(one), above.find(other)
        if first == second:
            continue
        if rule.below(min(highest[first], highest[second])) <= height:
            groups.join(one, other)
        chief = above.join(first, second)
        highest[chief] = max(highest[first], highest[second])
    return groups.names()


def join_small(voxels: Integers, borders: Borders, smallest: int) -> Integers:
    """Join parts that are too small to their neighbours.

    Parameters
    ----------
    voxels : array, (parts + 1,), int64
        Size of each part, by label; 0 where there is none.
    borders : Borders
        Of the parts.
    smallest : int
        Parts with fewer voxels join the neighbour with which they share most surface; among equals the one
        that they meet at the highest pass, then the one with the lowest label. Without a neighbour they stay.

    Returns
    -------
    array, (parts + 1,), int64
        For each label the lowest label of its group.
    """
    size = voxels.tolist()
    groups = Groups(len(size))
    around: dict[int, dict[int, tuple[float, float]]] = {}
    columns = (borders.one.tolist(), borders.other.tolist(), borders.surface_nm2, borders.pass_height)
    for one, other, surface, height in zip(*columns, strict=True):
        around.setdefault(one, {})[other] = (float(surface), float(height))
        around.setdefault(other, {})[one] = (float(surface), float(height))
    small = {part for part in around if size[part] < smallest}
    while small:
        part = min(small, key=lambda p: (size[p], p))
        best = max(around[part], key=lambda n: (*around[part][n], -n))
        chief = groups.join(part, best)
        gone = best if chief == part else part
        _move(around, gone, chief)
        size[chief] += size[gone]
        small -= {part, best}
        if size[chief] < smallest and around[chief]:
            small.add(chief)
    return groups.names()


def part_names(
    summit: NDArray[Any], borders: Borders, voxels: Integers, rule: NeckRule, smallest: int
) -> Integers:
    """Join regions by both rules.

    Parameters
    ----------
    summit, borders, rule
        As of `join_by_necks`.
    voxels : array, (regions + 1,), int64
        Size of each region, by label.
    smallest : int
        As of `join_small`.

    Returns
    -------
    array, (regions + 1,), int64
        For each label the lowest label of its part.
    """
    names = join_by_necks(summit, borders, rule)
    size = np.bincount(names, weights=voxels, minlength=len(names)).astype(np.int64)
    joined: Integers = join_small(size, borders.renamed(names), smallest)[names]
    return joined


def _move(around: dict[int, dict[int, tuple[float, float]]], gone: int, chief: int) -> None:
    """Hand all neighbours of one part to another."""
    for neighbour, (surface, height) in around.pop(gone).items():
        del around[neighbour][gone]
        if neighbour == chief:
            continue
        before = around[chief].get(neighbour, (0.0, -np.inf))
        both = (before[0] + surface, max(before[1], height))
        around[chief][neighbour] = around[neighbour][chief] = both


def summits(labels: NDArray[np.int32], inside: NDArray[np.float32], count: int) -> Floats:
    """Highest height of each region, (count + 1,)."""
    out = np.zeros(count + 1, dtype=np.float64)
    mask = labels > 0
    np.maximum.at(out, labels[mask], inside[mask].astype(np.float64))
    return out
