"""Names in a narrow dock."""

from __future__ import annotations

import pytest

from napari_nnunet_em._napari.forms.name_box import NameBox

pytestmark = pytest.mark.gui


def test_names_that_begin_alike_are_told_apart(qtbot) -> None:
    box = NameBox("no image layer")
    qtbot.addWidget(box)
    assert box.shown_text(500) == "no image layer"
    stem = "2026-11-20_mouse-cortex_block-3_aligned_and_cropped"
    box.addItems([stem, f"{stem} mitochondria", "short"])
    seen = []
    for row in range(3):
        box.setCurrentIndex(row)
        seen.append(box.shown_text(260))
        assert box.fontMetrics().horizontalAdvance(seen[-1]) <= 260
    assert len(set(seen)) == 3
    assert seen[1].endswith("chondria")
    assert seen[1].startswith("2026")
    assert seen[2] == "short"
    box.resize(120, 30)
    box.show()
    assert not box.grab().isNull()  # it is drawn
