"""N5 containers in napari: as layers in their place, and as the input of a job that is saved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from napari.layers import Layer

from napari_nnunet_em._napari.files.reader import get_reader, read
from napari_nnunet_em._napari.objects.words import objects_name
from napari_nnunet_em._napari.segment.job_file import job_text
from napari_nnunet_em.config import Job
from napari_nnunet_em.io import open_volume

from ..n5_files import add_attributes, write_n5

DATA = np.random.default_rng(0).integers(0, 255, (4, 32, 40), dtype=np.uint8)
PLUGIN = "napari-nnunet-em"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    group = add_attributes(tmp_path / "cell.n5" / "em", resolution=[8, 8, 40], offset=[80, 160, 400])
    for number, step in enumerate((1, 2)):
        write_n5(group / f"s{number}", DATA[:, ::step, ::step], downsamplingFactors=[step, step, 1])
    add_attributes(group.parent, n5="2.5.0")
    return group


@pytest.fixture
def container(image: Path) -> Path:
    write_n5(image.parent / "labels" / "mito", DATA.astype(np.uint64), resolution=[8, 8, 40])
    write_n5(image.parent / "channels", np.stack([DATA, 255 - DATA]), (1, 4, 16, 16))
    return image.parent


def test_containers_and_what_is_in_them_are_taken(container: Path, tmp_path: Path) -> None:
    for path in (container, container / "em", container / "em" / "s1", container / "labels"):
        assert get_reader(str(path)) is read
    assert get_reader(str(tmp_path)) is None


def test_a_pyramid_is_one_layer_in_its_place(image: Path) -> None:
    for source, name in ((image.parent, "cell"), (image, "cell em")):
        ((data, keywords, kind),) = read(str(source))
        layer = Layer.create(data, keywords, kind)
        assert (kind, layer.name, layer.multiscale) == ("image", name, True)
        np.testing.assert_allclose(layer.scale, (40, 8, 8))
        np.testing.assert_allclose(layer.translate, (400, 160, 80))
        assert {str(unit) for unit in layer.units} == {"nanometer"}
        for level, step in zip(layer.data, (1, 2), strict=True):
            np.testing.assert_array_equal(np.asarray(level), DATA[:, ::step, ::step])


def test_the_user_chooses_among_images(container: Path, monkeypatch) -> None:
    asked = []

    def answer(file, choices):
        asked.append((file, [choice.name for choice in choices]))
        return choices

    monkeypatch.setattr("napari_nnunet_em._napari.files.reader.ask_for_datasets", answer)
    layers = {keywords["name"]: (data, kind) for data, keywords, kind in read(str(container))}
    assert asked == [(container, ["channels", "em", "labels/mito"])]
    assert {name: kind for name, (_, kind) in layers.items()} == {
        "cell channels 0": "image",
        "cell channels 1": "image",
        "cell em": "image",
        "cell labels/mito": "labels",
    }
    np.testing.assert_array_equal(layers["cell channels 1"][0][1], 255 - DATA[1])


def test_the_saved_job_names_the_image_in_the_container(container: Path, tmp_path: Path) -> None:
    job = Job.model_validate(
        {
            "input": {"path": str(container), "voxel_size_nm": (40, 16, 16), "level": 1},
            "output": {"path": str(tmp_path / "out.zarr")},
        }
    )
    ((data, _, _),) = read(str(container / "em"))
    volume = open_volume(data).at_level(1)
    assert yaml.safe_load(job_text(job, volume, "job.yaml"))["input"]["path"] == str(container / "em")


def test_objects_are_named_after_the_container() -> None:
    assert objects_name("cell.n5") == "cell_objects.zarr"


@pytest.mark.gui
def test_a_container_opens_in_a_window(make_napari_viewer_proxy, image: Path) -> None:
    viewer = make_napari_viewer_proxy(show=True)
    for path in (image.parent, image):
        (layer,) = viewer.open(str(path), plugin=PLUGIN)
        assert tuple(layer.scale) == (40, 8, 8)
    viewer.layers.clear()
    (layer,) = viewer.open(str(image / "s0"), plugin=PLUGIN)
    viewer.dims.set_point(0, layer.translate[0] + 2 * 40)
    np.testing.assert_array_equal(np.asarray(layer._data_view), DATA[2])
