"""Numbers with units."""

from __future__ import annotations

import pytest

from napari_nnunet_em.quantities import count, duration, extent, memory, rate


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.04, "0.0 s"),
        (2.34, "2.3 s"),
        (9.96, "10 s"),
        (59.6, "1 min"),
        (80, "1 min 20 s"),
        (3600, "1 h"),
        (11100, "3 h 5 min"),
        (86399.7, "1 d"),
        (187200, "2 d 4 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (934_000_000, "934 MB"),
        (999_999, "1.0 MB"),
        (1.25e9, "1.2 GB"),
    ],
)
def test_memory(size: float, text: str) -> None:
    assert memory(size) == text


def test_rates() -> None:
    assert rate(1_234_567) == "1.2 Mvoxel/s"
    assert rate(17.3) == "17.3 voxel/s"


def test_counts_and_extents() -> None:
    assert count(1, "object") == "1 object"
    assert count(12345, "object") == "12,345 objects"
    assert count(2, "copy", "copies") == "2 copies"
    assert extent((10, 1024, 12_345_678)) == "10 × 1024 × 12345678"
    assert extent((56.0, 4.6, 4.6)) == "56 × 4.6 × 4.6"
