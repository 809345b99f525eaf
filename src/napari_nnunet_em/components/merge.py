"""Joining the parts of objects that blocks have cut."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from napari_nnunet_em.components.measures import Reduction
from napari_nnunet_em.components.runs import Integers


def join(count: int, contacts: Integers) -> tuple[Integers, Integers]:
    """Group fragments that touch, directly or through others.

    Parameters
    ----------
    count : int
        Number of fragments.
    contacts : array, (contacts, 2), int64
        Pairs of fragments, numbered from 0.

    Returns
    -------
    owner : array, (count,), int64
        Object of each fragment, numbered from 0.
    chief : array, (objects,), int64
        One fragment of each object.
    """
    # Most fragments touch nothing: the graph is built over the few that do.
    nodes, ends = np.unique(contacts, return_inverse=True)
    pairs = ends.reshape(-1, 2)
    graph = coo_array(
        (np.ones(len(pairs), dtype=np.int8), (pairs[:, 0], pairs[:, 1])), shape=2 * (len(nodes),)
    )
    _, group = connected_components(graph, directed=False)
    _, first = np.unique(group, return_index=True)
    chief_of = np.arange(count, dtype=np.int64)
    chief_of[nodes] = nodes[first[group]]
    chief = np.flatnonzero(chief_of == np.arange(count))
    place = np.empty(count, dtype=np.int64)
    place[chief] = np.arange(len(chief))
    return place[chief_of], chief


def merge_columns(
    columns: dict[str, NDArray[Any]], reductions: Mapping[str, Reduction], owner: Integers, chief: Integers
) -> dict[str, Integers]:
    """Merge what was measured per fragment into one row per object.

    Parameters
    ----------
    columns : dict of arrays, (fragments,)
        What was measured; emptied column by column, to keep memory low.
    reductions : mapping from str to Reduction
        How each column merges.
    owner, chief
        From `join`.
    """
    others = np.ones(len(owner), dtype=np.bool_)
    others[chief] = False
    rows = np.flatnonzero(others)
    merged = {}
    for name, reduction in reductions.items():
        values = columns.pop(name)
        out = values[chief].astype(np.int64)
        reduction.merge(out, owner[rows], values[rows].astype(np.int64))
        merged[name] = out
    return merged
