"""Plans and dataset.json: regions, ignore label, inheritance, old formats, cascades and nonsense."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from napari_nnunet_em.errors import ModelError
from napari_nnunet_em.model import ClassInfo, ModelBundle
from napari_nnunet_em.model.facts import read_facts


def _edit(path: Path, change) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def _label_manager(folder: Path) -> Any:
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    plans = PlansManager(str(folder / "plans.json"))
    return plans.get_label_manager(json.loads((folder / "dataset.json").read_text()))


def test_classes_come_in_order_of_the_outputs(tiny) -> None:
    folder = tiny(labels={"background": 0, "vesicle": 2, "mitochondria": 1, "er": 3, "ignore": 4})
    bundle = ModelBundle.open(folder)
    assert bundle.classes == (ClassInfo("mitochondria", 1), ClassInfo("vesicle", 2), ClassInfo("er", 3))
    assert bundle.num_outputs == _label_manager(folder).num_segmentation_heads == 4
    assert bundle.target == "mitochondria, vesicle and er"


def test_regions(tiny) -> None:
    labels = {"background": 0, "cell": (1, 2, 3), "inside": (2, 3), "nucleus": (3,), "ignore": 4}
    folder = tiny(labels=labels | {"nucleus": 3}, regions_class_order=(1, 2, 3))
    for nucleus in (3, [3]):
        _edit(folder / "dataset.json", lambda d, n=nucleus: d["labels"].update(nucleus=n))
        facts = read_facts(folder, "3d_fullres")
        assert facts.has_regions
        assert facts.classes == (ClassInfo("cell", 1), ClassInfo("inside", 2), ClassInfo("nucleus", 3))
        assert facts.regions_class_order == tuple(_label_manager(folder).regions_class_order) == (1, 2, 3)
        assert facts.num_outputs == _label_manager(folder).num_segmentation_heads == 3


def test_channels_are_sorted_by_number_and_may_be_called_modality(tiny) -> None:
    folder = tiny(normalization=("NoNormalization",), channel_names=tuple("abcdefghijkl"))
    _edit(
        folder / "dataset.json",
        lambda d: d.update(modality=dict(sorted(d.pop("channel_names").items(), reverse=True))),
    )
    assert read_facts(folder, "3d_fullres").channel_names == tuple("abcdefghijkl")


def test_normalization_and_resampling_are_plain_values(tiny) -> None:
    bundle = ModelBundle.open(
        tiny(
            channel_names=("a", "b"),
            normalization=("CTNormalization", "MyOwnNormalization"),
            use_mask=(True, False),
            intensity_properties={"mean": 3.0, "std": 2.0, "percentile_00_5": 1, "percentile_99_5": 9.0},
            data_resampling={"is_seg": False, "order": 1, "order_z": 0, "force_separate_z": True},
        )
    )
    first, second = bundle.normalization
    assert (first.name, first.use_mask) == ("CTNormalization", True)
    assert (second.name, second.use_mask) == ("MyOwnNormalization", False)
    assert first.properties == {"mean": 3.0, "std": 2.0, "percentile_00_5": 1.0, "percentile_99_5": 9.0}
    assert bundle.resampling.data_function == "resample_data_or_seg_to_shape"
    assert bundle.resampling.data_kwargs["force_separate_z"] is True
    assert bundle.resampling.probabilities_kwargs["order"] == 1


@pytest.mark.parametrize("kept", [True, False])
def test_intensity_properties_by_modality(tiny, kept: bool) -> None:
    folder = tiny(intensity_properties={"mean": 7.0})

    def change(plans: dict[str, Any]) -> None:
        properties = plans.pop("foreground_intensity_properties_per_channel")
        if kept:
            plans["foreground_intensity_properties_by_modality"] = properties

    _edit(folder / "plans.json", change)
    expected = {"mean": 7.0} if kept else {}
    assert read_facts(folder, "3d_fullres").normalization[0].properties == expected


def test_transposed_plans(tiny) -> None:
    facts = read_facts(tiny(transpose_forward=(2, 0, 1)), "3d_fullres")
    assert facts.transpose_forward == (2, 0, 1)
    assert facts.transpose_backward == (1, 2, 0)


def test_inheritance(tiny) -> None:
    folder = tiny()
    child = {"inherits_from": "3d_fullres", "spacing": [7.0, 7.0, 7.0]}
    _edit(
        folder / "plans.json",
        lambda p: p["configurations"].update(child=child, grandchild={"inherits_from": "child"}),
    )
    facts = read_facts(folder, "grandchild")
    assert facts.spacing == (7.0, 7.0, 7.0)
    assert facts.patch_size == (8, 16, 16)
    assert facts.notes == ()


def test_circular_inheritance_is_refused(tiny) -> None:
    folder = tiny()
    circle = {"a": {"inherits_from": "b"}, "b": {"inherits_from": "a"}}
    _edit(folder / "plans.json", lambda p: p["configurations"].update(circle))
    with pytest.raises(ModelError, match="Circular dependency"):
        read_facts(folder, "a")


def test_old_plans_say_so_and_print_nothing(tiny, capsys) -> None:
    folder = tiny(old_plans=True, dim=2)
    _edit(folder / "plans.json", lambda p: p.pop("label_manager"))
    facts = read_facts(folder, "2d")
    assert "old format" in facts.notes[0]
    assert facts.patch_size == (16, 16)
    assert capsys.readouterr() == ("", "")


def test_cascades_are_refused(tiny) -> None:
    folder = tiny()
    cascade = {"inherits_from": "3d_fullres", "previous_stage": "3d_lowres"}
    _edit(folder / "plans.json", lambda p: p["configurations"].update({"3d_cascade_fullres": cascade}))
    with pytest.raises(ModelError, match=r"cascade.*'3d_lowres'.*not supported yet"):
        read_facts(folder, "3d_cascade_fullres")


def test_unknown_configurations_list_what_is_there(tiny) -> None:
    with pytest.raises(ModelError, match="no configuration '2d'; they have 3d_fullres"):
        read_facts(tiny(), "2d")


def test_custom_preprocessors_are_refused(tiny) -> None:
    folder = tiny()
    _edit(folder / "plans.json", lambda p: p["configurations"]["3d_fullres"].update(preprocessor_name="Mine"))
    with pytest.raises(ModelError, match="custom preprocessor 'Mine'"):
        read_facts(folder, "3d_fullres")


@pytest.mark.parametrize("name", ["LabelManagerOfSomebody", "join", "os"])
def test_unknown_label_managers_are_refused(tiny, name: str) -> None:
    folder = tiny()
    _edit(folder / "plans.json", lambda p: p.update(label_manager=name))
    with pytest.raises(ModelError, match=f"label manager '{name}'"):
        read_facts(folder, "3d_fullres")


@pytest.mark.parametrize("name", ["../../escape", "a/b", "a\\b", "..", "C:x", "", "line\nbreak"])
def test_class_names_are_no_paths(tiny, name: str) -> None:
    folder = tiny()
    _edit(folder / "dataset.json", lambda d: d.update(labels={"background": 0, name: 1}))
    with pytest.raises(ModelError, match="class name"):
        read_facts(folder, "3d_fullres")


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("patch_size", [8, 16], "the spacing"),
        ("patch_size", [8, 16, 16, 16], "two or three positive"),
        ("patch_size", [8, 16, -16], "two or three positive"),
        ("patch_size", "large", "do not describe"),
        ("spacing", [0.0, 1.0, 1.0], "the spacing"),
        ("normalization_schemes", [], "do not describe"),
        ("resampling_fn_data_kwargs", 3, "do not describe"),
        ("inherits_from", "nothing", "nothing"),
    ],
)
def test_contradictions_in_a_configuration(tiny, key: str, value: object, text: str) -> None:
    folder = tiny()
    _edit(folder / "plans.json", lambda p: p["configurations"]["3d_fullres"].update({key: value}))
    with pytest.raises(ModelError, match=text):
        read_facts(folder, "3d_fullres")


@pytest.mark.parametrize(
    ("file", "key", "value", "text"),
    [
        ("plans.json", "transpose_forward", [0, 1, 1], "no order of three axes"),
        ("plans.json", "transpose_forward", None, "do not describe"),
        ("plans.json", "configurations", [], "no configuration"),
        ("dataset.json", "labels", {"background": 0}, "no class besides the background"),
        ("dataset.json", "labels", {"mitochondria": 1}, "Background label not declared"),
        ("dataset.json", "labels", [], "do not describe"),
        ("dataset.json", "channel_names", {"0": "a", "1": "b"}, "2 channels have 1 normalisation"),
        ("dataset.json", "channel_names", {"first": "a"}, "do not describe"),
    ],
)
def test_contradictions_in_the_files(tiny, file: str, key: str, value: object, text: str) -> None:
    folder = tiny()
    _edit(folder / file, lambda content: content.update({key: value}))
    with pytest.raises(ModelError, match=text):
        read_facts(folder, "3d_fullres")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"{", "cannot be read as JSON"),
        (b"[1]", "no JSON object but a list"),
        (b"\xff\xfe", "cannot be read"),
        (b"[" * 100_000, "cannot be read"),
    ],
)
def test_files_that_are_no_json_objects(tiny, content: bytes, text: str) -> None:
    folder = tiny()
    (folder / "plans.json").write_bytes(content)
    with pytest.raises(ModelError, match=text):
        ModelBundle.open(folder)


def test_missing_keys_are_named(tiny) -> None:
    folder = tiny()
    _edit(folder / "plans.json", lambda p: p["configurations"]["3d_fullres"].pop("patch_size"))
    with pytest.raises(ModelError, match="'patch_size' is missing"):
        read_facts(folder, "3d_fullres")


def test_a_far_too_large_json_is_not_read(tiny) -> None:
    path = tiny() / "plans.json"
    with path.open("r+b") as stream:
        stream.truncate(65 * 2**20)
    with pytest.raises(ModelError, match="larger than 64 MiB"):
        read_facts(path.parent, "3d_fullres")
