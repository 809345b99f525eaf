"""Every kind of path opens, says what nnU-Net says, and reads no weights."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from napari_nnunet_em.config import SpacingUnit
from napari_nnunet_em.errors import ModelError
from napari_nnunet_em.model import ClassInfo, ModelBundle, describe, find_models, load_networks
from napari_nnunet_em.testing.tiny_models import make_model_folder


def _edit(path: Path, **changes: object) -> None:
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps(content))


def test_a_trained_model_folder(tiny) -> None:
    folder = tiny(
        folds=("1", "0", "all"), spacing=(40.0, 8.0, 8.0), mirror_axes=(1, 2), trainer="nnUNetTrainerX"
    )
    bundle = ModelBundle.open(folder)
    assert bundle.name == folder.name == "nnUNetTrainerX__nnUNetPlans__3d_fullres"
    assert (bundle.trainer, bundle.plans_name) == ("nnUNetTrainerX", "nnUNetPlans")
    assert (bundle.dataset_name, bundle.configuration) == ("Dataset999_Tiny", "3d_fullres")
    assert bundle.folds == ("0", "1", "all")
    assert bundle.channel_names == ("EM",)
    assert bundle.classes == (ClassInfo("mitochondria", 1),)
    assert (bundle.num_outputs, bundle.has_regions, bundle.regions_class_order) == (2, False, ())
    assert (bundle.patch_size, bundle.spacing) == ((8, 16, 16), (40.0, 8.0, 8.0))
    assert bundle.mirror_axes == (1, 2)
    assert bundle.target == "mitochondria"
    assert bundle.licence == "none: random weights"
    assert (bundle.image_reader_writer, bundle.notes, bundle.card) == ("Tiff3DIO", (), "")
    assert [c.full_name for c in bundle.available] == [f"Dataset999_Tiny/{folder.name}"]


@pytest.mark.shared
def test_facts_equal_those_of_stock(shared_models: Path) -> None:
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    folder = shared_models / "nnUNetTrainer_50epochs__nnUNetEMPlans__3d_fullres"
    bundle = ModelBundle.open(folder)
    load_networks(bundle, ("0",))
    predictor = nnUNetPredictor(device=torch.device("cpu"))
    predictor.initialize_from_trained_model_folder(str(folder), ("0",))
    chosen = predictor.configuration_manager
    assert bundle.trainer == predictor.trainer_name
    assert bundle.mirror_axes == tuple(predictor.allowed_mirroring_axes)
    assert bundle.patch_size == tuple(chosen.patch_size)
    assert bundle.spacing == tuple(chosen.spacing)
    assert bundle.num_outputs == predictor.label_manager.num_segmentation_heads
    assert [c.value for c in bundle.classes] == predictor.label_manager.foreground_labels
    assert [s.name for s in bundle.normalization] == chosen.normalization_schemes
    properties = predictor.plans_manager.foreground_intensity_properties_per_channel["0"]
    assert bundle.normalization[0].properties == properties
    assert bundle.resampling.data_kwargs == chosen.configuration["resampling_fn_data_kwargs"]
    assert bundle.transpose_backward == tuple(predictor.plans_manager.transpose_backward)


@pytest.mark.parametrize("inner", ["plans.json", "dataset.json", "", "fold_1", "fold_1/checkpoint_final.pth"])
def test_paths_inside_a_model(tiny, inner: str) -> None:
    folder = tiny(folds=("0", "1"))
    bundle = ModelBundle.open(folder / inner)
    assert bundle.root == folder
    assert bundle.folds == (("1",) if inner.startswith("fold") else ("0", "1"))
    assert len(load_networks(bundle)) == len(bundle.folds)


def test_a_checkpoint_beside_its_plans(tiny, tmp_path: Path) -> None:
    folder = tiny(folds=("2",))
    alone = tmp_path / "sent by mail"
    alone.mkdir()
    for name in ("plans.json", "dataset.json", "fold_2/checkpoint_final.pth"):
        shutil.copy(folder / name, alone)
    path = (alone / "checkpoint_final.pth").rename(alone / "checkpoint_best.pth")
    for bundle in (ModelBundle.open(path), ModelBundle.open(str(alone), checkpoint="checkpoint_best.pth")):
        assert (bundle.name, bundle.configuration) == ("sent by mail", "3d_fullres")
        assert bundle.checkpoints == (path,)
        assert len(load_networks(bundle)) == 1
    assert ModelBundle.open(path).folds == ("2",)
    assert ModelBundle.open(alone, checkpoint="checkpoint_best.pth").folds == ("all",)


def test_a_checkpoint_without_plans(tiny, tmp_path: Path) -> None:
    path = tmp_path / "away" / "from" / "all" / "checkpoint_final.pth"
    path.parent.mkdir(parents=True)
    shutil.copy(tiny() / "fold_0" / "checkpoint_final.pth", path)
    with pytest.raises(ModelError, match=r"no plans\.json beside or above it"):
        ModelBundle.open(path)


def test_folders_with_several_models(tiny, tmp_path: Path) -> None:
    three, two = tiny(), tiny(dim=2)
    other = tiny(dim=2, trainer="nnUNetTrainerX")
    (tmp_path / "results" / "Dataset999_Tiny" / "ensembles" / "a").mkdir(parents=True)
    results = tmp_path / "results"
    for path in (results, results / "Dataset999_Tiny"):
        with pytest.raises(ModelError, match="holds several models: choose one"):
            ModelBundle.open(path)
        bundle = ModelBundle.open(path, configuration="3d_fullres")
        assert bundle.root == three
        assert {c.root for c in bundle.available} == {three, two, other}
        with pytest.raises(ModelError, match="several models of configuration '2d'") as error:
            ModelBundle.open(path, configuration="2d")
        assert three.name not in str(error.value)
        assert ModelBundle.open(path, configuration=two.name).root == two
        assert ModelBundle.open(path, configuration=f"Dataset999_Tiny/{other.name}").root == other
        with pytest.raises(ModelError, match="no configuration '3d_lowres'; it has 2d, 3d_fullres"):
            ModelBundle.open(path, configuration="3d_lowres")


def test_find_models_lists_what_open_offers(tiny, tmp_path: Path) -> None:
    three, two = tiny(), tiny(dim=2)
    found = find_models(tmp_path / "results")
    assert found == ModelBundle.open(tmp_path / "results", configuration="2d").available
    assert [(c.configuration, c.root) for c in found] == [("2d", two), ("3d_fullres", three)]
    assert [c.root for c in find_models(two / "plans.json")] == [two]
    assert find_models(two / "fold_0" / "checkpoint_final.pth") == ()


def test_folders_of_somebody_else_are_passed_over(tiny, tmp_path: Path, monkeypatch) -> None:
    folder = tiny()
    (tmp_path / "results" / "locked").mkdir()
    real = Path.iterdir

    def iterdir(self: Path):
        if self.name == "locked":
            raise PermissionError(13, "Permission denied", str(self))
        return real(self)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    assert ModelBundle.open(tmp_path / "results").root == folder


def test_one_model_needs_no_choice_but_a_wrong_one_is_refused(tiny) -> None:
    folder = tiny()
    assert ModelBundle.open(folder.parents[1]).root == folder
    assert ModelBundle.open(folder.parents[1], configuration="3d_fullres").root == folder
    for path in (folder, folder / "fold_0" / "checkpoint_final.pth"):
        with pytest.raises(ModelError, match="no configuration '2d'; it has 3d_fullres"):
            ModelBundle.open(path, configuration="2d")


def test_folders_with_names_of_their_own(tiny, tmp_path: Path) -> None:
    for i, folder in enumerate((tiny(), tiny(dim=2))):
        folder.rename(tmp_path / "results" / f"model {i}")
    bundle = ModelBundle.open(tmp_path / "results", configuration="2d")
    assert (bundle.name, bundle.configuration) == ("model 1", "2d")
    path = tmp_path / "results" / "model 0" / "fold_0" / "checkpoint_final.pth"
    path.write_bytes(b"")
    assert ModelBundle.open(tmp_path / "results", configuration="2d").name == "model 1"
    with pytest.raises(ModelError, match="damaged or cut off"):
        ModelBundle.open(tmp_path / "results", configuration="model 0")
    path.unlink()
    assert find_models(tmp_path / "results")[0].configuration == ""


def test_the_checkpoint_knows_its_configuration_better_than_the_folder(tiny) -> None:
    folder = tiny()
    moved = folder.rename(folder.with_name("nnUNetTrainer__nnUNetPlans__2d"))
    assert ModelBundle.open(moved).configuration == "3d_fullres"


@pytest.mark.parametrize("missing", ["plans.json", "dataset.json"])
def test_missing_json(tiny, missing: str) -> None:
    folder = tiny()
    (folder / missing).unlink()
    with pytest.raises(ModelError, match=rf"has no {missing}.*copy it"):
        ModelBundle.open(folder)


def test_missing_models_and_checkpoints(tiny, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="mitochondria-3d, mitochondria-2d"):
        ModelBundle.open(tmp_path / "nowhere")
    (tmp_path / "empty" / "deeper").mkdir(parents=True)
    with pytest.raises(ModelError, match="holds no nnU-Net v2 model"):
        ModelBundle.open(tmp_path / "empty")
    (tmp_path / "image.tif").write_bytes(b"II*\0")
    with pytest.raises(ModelError, match="is no model"):
        ModelBundle.open(tmp_path / "image.tif")
    folder = tiny()
    with pytest.raises(ModelError, match=r"has a checkpoint_best\.pth: choose one of checkpoint_final\.pth"):
        ModelBundle.open(folder, checkpoint="checkpoint_best.pth")
    shutil.rmtree(folder / "fold_0")
    with pytest.raises(ModelError, match="train the model, or copy its folds here"):
        ModelBundle.open(folder)


@pytest.mark.parametrize("name", ["../checkpoint_final.pth", "/etc/passwd", "a\\b.pth", "", "..", "C:x.pth"])
def test_checkpoint_names_are_no_paths(tiny, name: str) -> None:
    with pytest.raises(ModelError, match="not a plain name"):
        ModelBundle.open(tiny(), checkpoint=name)


def test_resolve_folds(tiny) -> None:
    bundle = ModelBundle.open(tiny(folds=("0", "10", "2", "all")))
    assert bundle.folds == ("0", "2", "10", "all")
    assert bundle.resolve_folds(None) == ("0", "2", "10")
    assert bundle.resolve_folds(["10", "0", "10"]) == ("10", "0")
    assert bundle.resolve_folds(("all",)) == ("all",)
    with pytest.raises(ModelError, match=r"no fold 3, x: choose from 0, 2, 10, all"):
        bundle.resolve_folds(("0", "3", "x"))
    with pytest.raises(ModelError, match="at least one fold"):
        bundle.resolve_folds(())
    with pytest.raises(ModelError, match="no fold"):
        bundle.checkpoint_of("../fold_0")
    assert ModelBundle.open("mitochondria-2d").resolve_folds(None) == ("all",)


@pytest.mark.parametrize(
    ("spacing", "unit", "expected"),
    [
        ((50.0, 8.0, 8.0), SpacingUnit.AUTO, (50.0, 8.0, 8.0)),
        ((1.0, 1.0, 1.0), SpacingUnit.AUTO, None),
        ((999.0, 1.0, 1.0), SpacingUnit.AUTO, None),
        ((2.0, 1.0, 1.0), SpacingUnit.AUTO, (2.0, 1.0, 1.0)),
        ((1.0, 1.0, 1.0), SpacingUnit.NANOMETER, (1.0, 1.0, 1.0)),
        ((0.5, 0.25, 0.25), SpacingUnit.MICROMETER, (500.0, 250.0, 250.0)),
        ((0.5, 0.25, 0.25), SpacingUnit.MILLIMETER, (5e5, 2.5e5, 2.5e5)),
        ((50.0, 8.0, 8.0), SpacingUnit.NONE, None),
    ],
)
def test_spacing_nm(tiny, spacing, unit: SpacingUnit, expected) -> None:
    assert ModelBundle.open(tiny(spacing=spacing)).spacing_nm(unit) == expected


def test_digest(tiny, tmp_path: Path) -> None:
    folder = tiny(folds=("0", "1"))
    bundle = ModelBundle.open(folder)
    both, first, second = bundle.digest(), bundle.digest(("0",)), bundle.digest(("1",))
    assert len({both, first, second}) == 3
    assert len(both) == 64
    copy = shutil.copytree(folder, tmp_path / "elsewhere" / folder.name)
    assert ModelBundle.open(copy).digest() == both
    plans = json.loads((copy / "plans.json").read_text())
    (copy / "plans.json").write_text(json.dumps(dict(reversed(plans.items())), indent=7))
    assert ModelBundle.open(copy).digest() == both
    _edit(copy / "dataset.json", licence="another")
    assert ModelBundle.open(copy).digest() != both
    weights = folder / "fold_1" / "checkpoint_final.pth"
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(bytes(data))
    assert bundle.digest(("0",)) == first
    assert bundle.digest(("1",)) != second
    weights.unlink()
    with pytest.raises(ModelError, match="cannot be read"):
        bundle.digest()


def test_flips_that_the_patch_does_not_have(tiny) -> None:
    with pytest.raises(ModelError, match=r"flips along the axes \(0, 2\)"):
        ModelBundle.open(tiny(dim=2, mirror_axes=(0, 2)))
    assert ModelBundle.open(tiny(mirror_axes=None)).mirror_axes == ()


def test_describe_is_json_and_bundles_travel(tiny) -> None:
    bundle = ModelBundle.open(tiny(folds=("0", "all")))
    described = describe(bundle)
    assert json.loads(json.dumps(described)) == described
    assert described["default_folds"] == ["0"]
    assert described["classes"] == [{"name": "mitochondria", "value": 1}]
    assert pickle.loads(pickle.dumps(bundle)) == bundle


def test_names_of_bundled_models_can_be_folders_too(tmp_path: Path, monkeypatch) -> None:
    folder = make_model_folder(tmp_path / "x").rename(tmp_path / "mitochondria-3d")
    monkeypatch.chdir(tmp_path)
    assert ModelBundle.open("mitochondria-3d").trainer == "nnUNetTrainer_50epochs"
    assert ModelBundle.open("./mitochondria-3d").trainer == "nnUNetTrainer"
    assert ModelBundle.open(folder).trainer == "nnUNetTrainer"


def test_opening_and_loading_print_nothing(tiny) -> None:
    code = f"import napari_nnunet_em.model as m; m.load_networks(m.ModelBundle.open({str(tiny())!r}))"
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], check=False, capture_output=True, text=True
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_importing_the_room_and_listing_models_is_light() -> None:
    code = (
        "import sys, napari_nnunet_em.model as m; m.list_models(); "
        "sys.exit(any(n.split('.')[0] in ('torch', 'nnunetv2', 'qtpy', 'napari') for n in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-W", "error", "-c", code], check=False).returncode == 0
