"""The same answer as nnU-Net, at every voxel: tiny models of every kind, and the real ones on real data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from napari_nnunet_em.config import ExecutionSettings
from napari_nnunet_em.engine.devices import choose_dtype
from napari_nnunet_em.engine.openvino_library import inference_precision
from napari_nnunet_em.errors import SettingsError
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.model import ModelBundle
from napari_nnunet_em.testing.phantom import Phantom
from napari_nnunet_em.testing.tiny_models import make_model_folder

# With nnU-Net's sums lifted to float32; its own float16 sums are compared separately.
TOLERANCE = 1e-4
TOLERANCE_RESAMPLED = 2e-3


def make_image(channels=1, shape=(19, 45, 61), *, border=False, dtype=np.uint8, seed=0):
    """Smooth noise from 0 to 250, with zero borders and a hole inside where asked for."""
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=(channels, *shape)), (0, 0.7, 2, 2))
    image = ((noise - noise.min()) / np.ptp(noise) * 250).astype(dtype)
    if border:
        image[:, :3] = 0
        image[:, :, :7] = 0
        image[..., 50:] = 0
        image[:, 8:12, 20:30, 20:30] = 0
    return image


def agree(ours, theirs, tolerance):
    assert ours.probabilities.shape == theirs.probabilities.shape
    assert np.abs(ours.probabilities - theirs.probabilities).max() <= tolerance
    assert (ours.classes == theirs.classes).mean() >= 0.999


REGIONS = {
    "labels": {"background": 0, "cell": (1, 2), "mitochondria": 2},
    "regions_class_order": (1, 2),
}
SAME_SPACING = {
    "3d": {},
    "2d": {"dim": 2},
    "all flips, two folds": {"mirror_axes": (0, 1, 2), "folds": ("0", "1")},
    "transposed": {"transpose_forward": (2, 0, 1)},
    "transposed, 2d": {"dim": 2, "transpose_forward": (1, 2, 0)},
    "regions": REGIONS,
    "four classes": {"labels": {"background": 0, "a": 1, "b": 2, "c": 3}},
    "residual encoder": {"architecture": "ResidualEncoderUNet"},
    "mask": {"use_mask": (True,)},
}


@pytest.mark.parametrize("border", [False, True], ids=["full", "zero border"])
@pytest.mark.parametrize("kind", SAME_SPACING)
def test_without_resampling(kind, border, tmp_path, nnunet, engine):
    folder = make_model_folder(tmp_path, **SAME_SPACING[kind])
    folds = SAME_SPACING[kind].get("folds", ("0",))
    image = make_image(border=border)
    options = {"folds": folds, "flips": len(folds) > 1}
    theirs = nnunet(folder, image, (1, 1, 1), **options)
    agree(engine(folder, image, (1, 1, 1), block=(4, 16, 32), **options), theirs, TOLERANCE)


RESAMPLED = {
    "isotropic": ({"spacing": (1, 1, 1)}, (1.3, 0.8, 0.9)),
    "anisotropic": ({"spacing": (5, 1, 1)}, (6, 0.8, 1.2)),
    "coarse axis in the model only": ({"spacing": (5, 1, 1)}, (1.5, 0.8, 1.2)),
    "2d, anisotropic": ({"dim": 2, "spacing": (1, 1)}, (6, 0.8, 1.2)),
    "2d, isotropic": ({"dim": 2, "spacing": (1, 1)}, (1.1, 0.8, 1.2)),
    "transposed": ({"transpose_forward": (1, 2, 0), "spacing": (2, 1, 1.5)}, (1, 1.2, 2)),
    "masked, isotropic": ({"use_mask": (True,), "spacing": (1, 1, 1)}, (1.1, 0.8, 1.2)),
    "masked, anisotropic": ({"use_mask": (True,), "spacing": (5, 1, 1)}, (6, 0.8, 1.2)),
}


@pytest.mark.parametrize("border", [False, True], ids=["full", "zero border"])
@pytest.mark.parametrize("kind", RESAMPLED)
def test_with_resampling(kind, border, tmp_path, nnunet, engine):
    plan, voxel_size = RESAMPLED[kind]
    folder = make_model_folder(tmp_path, **plan)
    image = make_image(border=border)
    theirs = nnunet(folder, image, voxel_size)
    agree(engine(folder, image, voxel_size, block=(4, 16, 32)), theirs, TOLERANCE_RESAMPLED)


@pytest.mark.parametrize(
    "scheme", ["CTNormalization", "NoNormalization", "RescaleTo01Normalization", "RGBTo01Normalization"]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_every_normalization(scheme, dtype, tmp_path, nnunet, engine):
    folder = make_model_folder(
        tmp_path,
        channel_names=("a", "b"),
        normalization=(scheme, "ZScoreNormalization"),
        use_mask=(False, True),
    )
    image = make_image(2, border=True, dtype=dtype)
    theirs = nnunet(folder, image, (1, 1, 1))
    agree(engine(folder, image, (1, 1, 1), block=(4, 16, 32)), theirs, TOLERANCE)


@pytest.mark.parametrize("shape", [(1, 45, 61), (5, 9, 11), (1, 9, 61)])
@pytest.mark.parametrize("dim", [2, 3])
def test_volumes_smaller_than_a_patch(dim, shape, tmp_path, nnunet, engine):
    folder = make_model_folder(tmp_path, dim=dim)
    image = make_image(shape=shape)
    theirs = nnunet(folder, image, (1, 1, 1))
    agree(engine(folder, image, (1, 1, 1), block=(4, 16, 32)), theirs, TOLERANCE)


@st.composite
def cuts(draw):
    """A plan of the network, a voxel size, a block shape, a region, an overlap and a batch size."""
    shape = (19, 45, 61)
    starts = [draw(st.integers(0, n - 1)) for n in shape]
    stops = [draw(st.integers(a + 1, n)) for a, n in zip(starts, shape, strict=True)]
    plan, voxel_size = draw(
        st.sampled_from([*RESAMPLED.values(), *(({**v}, (1, 1, 1)) for v in ({}, {"dim": 2}))])
    )
    block = draw(st.tuples(st.integers(1, 20), st.integers(5, 64), st.integers(5, 64)))
    return (
        plan,
        voxel_size,
        block,
        Box(tuple(starts), tuple(stops)),
        draw(st.sampled_from([0.5, 0.25])),
        draw(st.integers(1, 5)),
    )


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=cuts())
def test_any_two_cuttings_agree(cut, tmp_path_factory, engine):
    plan, voxel_size, block, region, overlap, batch_size = cut
    folder = make_model_folder(tmp_path_factory.mktemp("model"), **plan)
    image = make_image(border=True)
    whole = engine(folder, image, voxel_size, overlap=overlap)
    execution = ExecutionSettings(backend="pytorch", batch_size=batch_size)
    part = engine(folder, image, voxel_size, overlap=overlap, block=block, region=region, execution=execution)
    expected = whole.probabilities[(slice(None), *region.slices)]
    assert np.abs(part.probabilities - expected).max() <= 1e-5
    assert (part.classes == whole.classes[region.slices]).mean() > 0.999


REAL = "models/Dataset901_EMMito/nnUNetTrainer_50epochs__nnUNetEMPlans__"
SBEM = "data/sbem_mito/val_z050-059_raw.tif"
VNC = "data/vnc_mito/z00-09_raw.tif"


@dataclass(frozen=True)
class RealCase:
    """A real model on a crop with odd sides of real data, at a voxel size."""

    model: str
    data: str
    crop: tuple[slice, slice, slice]
    voxel_size: tuple[float, float, float]
    folds: tuple[str, ...] = ("0",)
    flips: bool = False
    resampled: bool = True
    stock: bool = True


REAL_CASES = {
    "2d, sbem": RealCase("2d", SBEM, np.s_[:7, 100:381, 200:503], (56, 8, 8), resampled=False),
    "2d, sbem, flips, two folds": RealCase(
        "2d", SBEM, np.s_[:2, 100:381, 200:503], (56, 8, 8), ("0", "1"), flips=True, resampled=False
    ),
    "2d, vnc, flips, two folds": RealCase(
        "2d", VNC, np.s_[1:5, 333:610, 20:289], (50, 4.6, 4.6), ("0", "1"), flips=True
    ),
    "3d, sbem": RealCase("3d_fullres", SBEM, np.s_[:7, 100:381, 200:503], (56, 8, 8)),
    "3d, sbem, not resampled": RealCase(
        "3d_fullres", SBEM, np.s_[:9, 100:341, 200:403], (50, 8, 8), resampled=False
    ),
    "3d, vnc": RealCase("3d_fullres", VNC, np.s_[1:10, 133:610, 20:289], (50, 4.6, 4.6)),
    "3d, vnc, flips, two folds": RealCase(
        "3d_fullres", VNC, np.s_[1:10, 333:610, 20:289], (50, 4.6, 4.6), ("0", "all"), flips=True, stock=False
    ),
}


# nnU-Net's search for trainers imports timm, which warns about its own use of torch.
@pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning")
@pytest.mark.slow
@pytest.mark.parametrize("name", REAL_CASES)
def test_real_models_on_real_data(name, shared_dir, nnunet, engine):
    case = REAL_CASES[name]
    folder = shared_dir / (REAL + case.model)
    image = tifffile.imread(shared_dir / case.data)[case.crop][None]
    options = {"folds": case.folds, "flips": case.flips}
    ours = engine(folder, image, case.voxel_size, block=(16, 128, 256), **options)
    lifted = nnunet(folder, image, case.voxel_size, **options)
    agree(ours, lifted, TOLERANCE_RESAMPLED if case.resampled else TOLERANCE)
    if case.stock:  # left out where a run takes a minute and would show nothing new
        agree_with_stock(ours, nnunet(folder, image, case.voxel_size, stock=True, **options), lifted)


@pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning")
@pytest.mark.parametrize(("name", "flips"), [("mitochondria-2d", True), ("mitochondria-3d", False)])
def test_bundled_models_on_the_phantom(name, flips, nnunet, engine):
    bundle = ModelBundle.open(name)
    image, _ = Phantom(seed=3).block(Box((0, 0, 0), (9, 131, 147)))
    voxel_size = (50, 8, 8)
    options = {"folds": ("all",), "flips": flips}
    ours = engine(bundle.root, image[None], voxel_size, block=(4, 128, 64), **options)
    agree(ours, nnunet(bundle.root, image[None], voxel_size, **options), TOLERANCE)


REAL_TILES = {
    "mitochondria-2d": np.s_[:1, 100:481, 200:603],
    "mitochondria-3d": np.s_[:8, 100:324, 200:503],
}


def has_bfloat16(backend):
    """Whether this CPU computes in bfloat16."""
    execution = ExecutionSettings(backend=backend, precision="bfloat16", device="cpu")
    try:
        if backend == "openvino":
            inference_precision(execution)
        else:
            choose_dtype(execution.precision, torch.device("cpu"))
    except SettingsError:
        return False
    return True


@pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning")
@pytest.mark.slow
@pytest.mark.parametrize("model", REAL_TILES)
def test_openvino_and_bfloat16_on_real_data(model, shared_dir, nnunet, engine):
    folder = ModelBundle.open(model).root
    image = tifffile.imread(shared_dir / SBEM)[REAL_TILES[model]][None]
    case = (folder, image, (50, 8, 8))
    lifted = nnunet(*case, folds=("all",))
    ours = engine(*case, folds=("all",), execution=ExecutionSettings(backend="openvino", device="cpu"))
    agree(ours, lifted, 1e-3)
    agree_with_stock(ours, nnunet(*case, folds=("all",), stock=True), lifted)
    for backend in filter(has_bfloat16, ("pytorch", "openvino")):
        execution = ExecutionSettings(backend=backend, precision="bfloat16", device="cpu")
        half = engine(*case, folds=("all",), execution=execution)
        distance = np.abs(half.probabilities - lifted.probabilities)
        assert 1e-4 < distance.max() <= 0.1  # it really is another precision
        assert (distance <= 2e-2).mean() >= 0.999
        assert (half.classes == lifted.classes).mean() >= 0.999


def agree_with_stock(ours, stock, lifted):
    """To 1e-2 wherever stock nnU-Net agrees with itself that well.

    Near the corners of a volume, where a single tile counts with a weight below float16's smallest normal
    number (3D patches only), its float16 sums round logits to whole numbers. There stock is compared with
    what it would have said with float32 sums: we must not be farther from it than that.
    """
    distance = np.abs(ours.probabilities - stock.probabilities)
    own_rounding = np.abs(lifted.probabilities - stock.probabilities)
    assert (distance <= np.maximum(1e-2, own_rounding + TOLERANCE_RESAMPLED)).all()
    assert (distance <= 1e-2).mean() >= 0.998
    assert (ours.classes == stock.classes).mean() >= 0.999
