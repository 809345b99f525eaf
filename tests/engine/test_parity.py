"""The same answer as nnU-Net, at every voxel: tiny models of every kind, and the real ones on real data."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from napari_nnunet_em.geometry import Box
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
    part = engine(
        folder, image, voxel_size, overlap=overlap, block=block, region=region, batch_size=batch_size
    )
    expected = whole.probabilities[(slice(None), *region.slices)]
    assert np.abs(part.probabilities - expected).max() <= 1e-5
    assert (part.classes == whole.classes[region.slices]).mean() > 0.999


REAL = "models/Dataset901_EMMito/nnUNetTrainer_"
REAL_MODELS = {
    "2d": REAL + "50epochs__nnUNetEMPlans__2d",
    "3d": REAL + "50epochs__nnUNetEMPlans__3d_fullres",
}
CROPS = {
    "sbem": ("data/sbem_mito/val_z050-059_raw.tif", np.s_[:7, 100:381, 200:503], (56, 8, 8)),
    "vnc": ("data/vnc_mito/z00-09_raw.tif", np.s_[1:10, 333:610, 20:289], (50, 4.6, 4.6)),
}


# nnU-Net's search for trainers imports timm, which warns about its own use of torch.
@pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning")
@pytest.mark.parametrize(
    ("model", "data", "ensemble"),
    [("2d", "sbem", False), ("2d", "vnc", True), ("3d", "sbem", False), ("3d", "vnc", False)],
)
def test_real_models_on_real_data(model, data, ensemble, shared_dir, nnunet, engine):
    path, crop, voxel_size = CROPS[data]
    image = tifffile.imread(shared_dir / path)[crop][None]
    folds = ("0", "1") if ensemble else ("0",)
    options = {"folds": folds, "flips": ensemble}
    ours = engine(shared_dir / REAL_MODELS[model], image, voxel_size, block=(16, 128, 256), **options)
    lifted = nnunet(shared_dir / REAL_MODELS[model], image, voxel_size, **options)
    # Neither 56 nm against 50 nm nor 4.6 nm against 8 nm is left as it is, but for the 2D model on SBEM.
    agree(ours, lifted, TOLERANCE if (model, data) == ("2d", "sbem") else TOLERANCE_RESAMPLED)
    stock = nnunet(shared_dir / REAL_MODELS[model], image, voxel_size, stock=True, **options)
    agree_with_stock(ours, stock, lifted)


def agree_with_stock(ours, stock, lifted):
    """To 1e-2 wherever stock nnU-Net agrees with itself that well.

    Near the border of a volume, where a single tile counts with a weight below float16's smallest normal
    number (3D patches only), its float16 sums round logits to whole numbers. There stock is compared with
    what it would have said with float32 sums: we must not be farther from it than that.
    """
    distance = np.abs(ours.probabilities - stock.probabilities)
    own_rounding = np.abs(lifted.probabilities - stock.probabilities)
    assert (distance <= np.maximum(1e-2, own_rounding + TOLERANCE_RESAMPLED)).all()
    assert (distance <= 1e-2).mean() >= 0.998
    assert (ours.classes == stock.classes).mean() >= 0.999
