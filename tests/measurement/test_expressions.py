"""Conditions as typed: the answer of pandas, and nothing that could run."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_nnunet_em.errors import SettingsError
from napari_nnunet_em.measurement.columns import DTYPES
from napari_nnunet_em.measurement.expressions import Condition
from napari_nnunet_em.measurement.selection import table_columns

from .conftest import random_labels

COLUMNS = st.sampled_from(["voxels", "volume_um3", "elongation", "mean_intensity", "bbox_z_min", "id"])
CONSTANTS = st.integers(0, 40).map(str) | st.floats(0, 3).map(lambda x: f"{x:.3f}")
# Parts of constants alone are left out: pandas takes (not (1 < 2)) for -2.
NUMBERS = st.recursive(
    COLUMNS,
    lambda inner: (
        st.tuples(inner, st.sampled_from("+-*/"), inner | CONSTANTS).map(lambda t: f"({' '.join(t)})")
        | inner.map("(-{})".format)
    ),
    max_leaves=4,
)
CONDITIONS = st.recursive(
    st.tuples(NUMBERS, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), NUMBERS | CONSTANTS).map(" ".join)
    | st.tuples(CONSTANTS, NUMBERS, CONSTANTS).map(lambda t: f"{t[0]} < {t[1]} <= {t[2]}")
    | st.tuples(st.sampled_from(["in", "not in"]), st.lists(st.integers(0, 40), min_size=1)).map(
        lambda t: f"id {t[0]} {t[1]}"
    )
    | st.just("touches_border"),
    lambda inner: (
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda t: f"(({t[0]}) {t[1]} ({t[2]}))")
        | inner.map("(not ({}))".format)
    ),
    max_leaves=4,
)


@pytest.fixture(scope="module")
def frame(measure) -> pd.DataFrame:
    """Measured objects; the columns of values are empty."""
    return measure(random_labels(4, count=12)).frame


@given(text=CONDITIONS)
def test_conditions_hold_where_pandas_says(frame, text) -> None:
    expected = frame.eval(text, engine="python")
    found = Condition.parse(text, DTYPES).holds(table_columns(frame))
    assert found.dtype == np.bool_
    assert found.tolist() == list(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("volume_um3 > 0.1 and elongation < 3", [False, True, False]),
        ("0.05 < volume_um3 <= 0.1 or id == 3", [True, False, True]),
        ("voxels ** 2 >= 40000", [False, True, True]),
        # Whole numbers of 64 bits would wrap round to something negative.
        ("voxels * 4611686018427387904 > 0", [True, True, True]),
        ("id < 99999999999999999999999999", [True, True, True]),
        ("9 ** 9 ** 9 ** 9 > id", [True, True, True]),
        ("elongation == elongation", [True, True, False]),
        ("not elongation < 3", [False, False, True]),
        ("touches_border == False", [True, False, True]),
        ("+id in {-3, 3} and True", [False, False, True]),
        (" id>1\n", [False, True, True]),
        ("1 < 2", [True, True, True]),
    ],
)
def test_conditions_by_hand(text, expected) -> None:
    columns = {
        "id": np.array([1, 2, 3]),
        "voxels": np.array([100, 200, 300]),
        "volume_um3": np.array([0.1, 0.2, np.nan]),
        "elongation": np.array([1.0, 2.0, np.nan]),
        "touches_border": np.array([False, True, False]),
    }
    assert Condition.parse(text, DTYPES).holds(columns).tolist() == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not complete"),
        ("volume_um3 >", "not complete"),
        ("id = 3", "equality is written =="),
        ("volume > 3", r"no column volume \(did you mean volume_um3\?\)"),
        ("xyzzy > 3", "no column xyzzy;"),
        ("volume_um3", "is a number and no condition"),
        ("1", "is a number and no condition"),
        ("not 3", "3 is a number and no condition"),
        ("touches_border + 1 > 0", "touches_border is a condition and no number"),
        ("id & 3 > 1", "conditions by and, or"),
        ("~touches_border", "touches_border is a condition"),
        ("~id > 1", "write not instead of ~"),
        ("id is 3", "things are compared by"),
        ("id in 3", "a list of numbers"),
        ("'3' == id", "'3' is no number"),
        ("3j > id", "3j is no number"),
        ("... == id", "is no number"),
        ("id > 3; id", "not complete"),
        ("(" * 300 + "id" + ")" * 300 + " > 1", "nested|not complete"),
        ("-" * 900 + "id > 1", "nested"),
        ("lambda:" * 140 + "id", "nested|neither a column"),
        ("id > " + "9" * 5000, "characters"),
        ("id > 1\x00", "nested|not complete"),
    ],
)
def test_what_is_no_condition_is_explained(text, why) -> None:
    with pytest.raises(SettingsError, match=why):
        Condition.parse(text, DTYPES)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('touch {marker}') == 0",
        "open('{marker}', 'w') != 3",
        "id.__class__.__mro__[1].__subclasses__() > 1",
        "@pd.io.common.os.system('touch {marker}') == 0",
        "(lambda: id)() > 1",
        "[x for x in (1, 2)] == id",
        "id[0] > 1",
        "(id := 3) > 1",
        "f'{{id}}' == id",
        "exec('id') if 1 else 2",
        "id > 1 and breakpoint()",
        "{{1: 2}} == id",
        "*id > 1",
        "await id",
        "import os",
    ],
)
def test_hostile_text_never_runs(text, tmp_path) -> None:
    marker = tmp_path / "ran"
    with pytest.raises(SettingsError):
        Condition.parse(text.format(marker=marker), DTYPES)
    assert not marker.exists()


@given(text=st.text(alphabet="idvoxels0123456789 .<>=!+-*/()[]{}andotr~&|'\"_:,;@\\\n\x00µé", max_size=40))
def test_any_text_is_understood_or_refused_in_words(text) -> None:
    columns = {name: np.ones(2, dtype) for name, dtype in DTYPES.items()}
    try:
        condition = Condition.parse(text, DTYPES)
    except SettingsError:
        return
    assert condition.holds(columns).shape == (2,)
