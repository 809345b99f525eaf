"""Filtering, sorting and deleting rows: pandas and plain sets are the oracles."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from napari_nnunet_em.errors import SettingsError
from napari_nnunet_em.measurement.columns import DTYPES
from napari_nnunet_em.measurement.selection import (
    Border,
    Deletions,
    ObjectFilter,
    Sorting,
    find_rows,
    places_of,
    size_column,
    table_columns,
)

from .conftest import random_labels


@pytest.fixture(scope="module")
def frame(measure) -> pd.DataFrame:
    """Measured objects with ties and empty cells."""
    frame = measure(random_labels(4, count=12)).frame.copy()
    frame["mean_intensity"] = np.tile([2.0, np.nan, -0.0, 0.0, 7.5], len(frame))[: len(frame)]
    frame["bbox_z_min"] = np.tile([3, 1, 1], len(frame))[: len(frame)]
    return frame


@given(
    column=st.sampled_from(list(DTYPES)),
    ascending=st.booleans(),
    seed=st.integers(0, 99),
    share=st.floats(0, 1),
)
def test_rows_are_sorted_as_pandas_sorts_them(frame, column, ascending, seed, share) -> None:
    keep = np.random.default_rng(seed).random(len(frame)) < share
    rows = find_rows(table_columns(frame), keep, Sorting(column, ascending))
    expected = frame[keep].sort_values(column, ascending=ascending, kind="stable", na_position="last")
    assert frame["id"].to_numpy()[rows].tolist() == expected["id"].tolist()


bounds = st.none() | st.floats(0, 4)


@given(
    sizes=st.tuples(bounds, bounds),
    elongations=st.tuples(bounds, bounds),
    border=st.sampled_from(list(Border)),
)
def test_rows_are_filtered_as_a_query_filters_them(frame, sizes, elongations, border) -> None:
    scale = frame["volume_um3"].max() / 4
    least, most = (None if size is None else size * scale for size in sizes)
    shown = ObjectFilter(
        min_size=least,
        max_size=most,
        min_elongation=elongations[0],
        max_elongation=elongations[1],
        border=border,
        condition="voxels != 3",
    )
    expected = frame.query("voxels != 3")
    for name, low, high in (("volume_um3", least, most), ("elongation", *elongations)):
        expected = expected if low is None else expected[expected[name] >= low]
        expected = expected if high is None else expected[expected[name] <= high]
    if border is not Border.ANY:
        expected = expected[expected["touches_border"] == (border is Border.TOUCHING)]
    assert frame["id"][shown.keeps(table_columns(frame))].tolist() == expected["id"].tolist()


def test_sizes_are_voxels_where_no_voxel_size_is_known(measure) -> None:
    labels = random_labels(4)
    columns = table_columns(measure(labels, size=None).frame)
    assert size_column(columns) == "voxels"
    assert size_column(table_columns(measure(labels).frame)) == "volume_um3"
    middle = float(np.median(columns["voxels"]))
    assert np.array_equal(ObjectFilter(min_size=middle).keeps(columns), columns["voxels"] >= middle)
    # Elongations are not known either, and so no object is surely below a bound.
    assert not ObjectFilter(max_elongation=100).keeps(columns).any()


def test_a_filter_refuses_what_it_cannot_use() -> None:
    with pytest.raises(ValidationError, match="min_size"):
        ObjectFilter(min_size=-1)
    with pytest.raises(SettingsError, match="no column nothing"):
        ObjectFilter(condition="nothing > 1").check()
    ObjectFilter(condition="id > 1").check()
    ObjectFilter().check()


def test_an_empty_table_has_no_rows(measure) -> None:
    columns = table_columns(measure(np.zeros((2, 3, 4), np.uint8)).frame)
    assert len(find_rows(columns, ObjectFilter(min_size=1).keeps(columns), Sorting("elongation"))) == 0
    assert size_column(columns) == "volume_um3"
    assert len(places_of(columns["id"], np.array([3]))) == 0


@given(ids=st.sets(st.integers(1, 30)), wanted=st.sets(st.integers(-2, 40)))
def test_places_are_those_of_the_ids_that_there_are(ids, wanted) -> None:
    ordered = np.array(sorted(ids), np.int64)
    places = places_of(ordered, np.array(sorted(wanted), np.int64))
    assert ordered[places].tolist() == sorted(ids & wanted)


@given(st.lists(st.one_of(st.sets(st.integers(1, 12), max_size=4), st.sampled_from(["undo", "redo"]))))
def test_deletions_follow_a_stack_of_sets(actions) -> None:
    history: list[set[int]] = [set()]
    now, deletions = 0, Deletions()
    for action in actions:
        if action == "undo":
            deletions, now = deletions.undo(), max(now - 1, 0)
        elif action == "redo":
            deletions, now = deletions.redo(), min(now + 1, len(history) - 1)
        elif not action <= history[now]:
            deletions = deletions.delete(np.array(sorted(action)))
            history[now + 1 :] = [history[now] | action]
            now += 1
        else:
            assert deletions.delete(np.array(sorted(action), np.int64)) is deletions
        assert deletions.ids.tolist() == sorted(history[now])
        assert (len(deletions.steps), len(deletions.undone)) == (now, len(history) - 1 - now)
    ids = np.arange(15)
    assert ids[~deletions.kept(ids)].tolist() == sorted(history[now])
