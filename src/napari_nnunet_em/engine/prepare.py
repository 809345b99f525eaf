"""All that is decided before the first tile runs."""

from __future__ import annotations

from dataclasses import dataclass

from napari_nnunet_em.config import ModelSettings, PredictionSettings
from napari_nnunet_em.engine.mask import find_mask
from napari_nnunet_em.engine.moments import VolumeStatistics
from napari_nnunet_em.engine.normalize import Normalizer, make_normalizer
from napari_nnunet_em.engine.preprocess import MaskReader, Preprocessor, make_value_range
from napari_nnunet_em.engine.space import ModelSpace, make_space, transposed_spacings
from napari_nnunet_em.errors import InputError, ModelError, SettingsError
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import Volume
from napari_nnunet_em.model import ModelBundle
from napari_nnunet_em.progress import Steps
from napari_nnunet_em.quantities import extent

_AXES = "zyx"
_LARGEST_RESAMPLING = 8.0


@dataclass(frozen=True)
class Spacings:
    """Voxel sizes in the transposed order, and whether the volume is resampled.

    Attributes
    ----------
    current, target : tuple of float
        Spacing of the volume, and spacing at which the model sees it, in nm.
    """

    current: tuple[float, ...]
    target: tuple[float, ...]

    @property
    def resampled(self) -> bool:
        """Whether the two differ."""
        return self.current != self.target


def check_channels(volume: Volume, bundle: ModelBundle) -> None:
    """Refuse a volume whose channels are not the model's.

    Raises
    ------
    InputError
        If their numbers differ.
    """
    wanted = len(bundle.channel_names)
    if volume.channels != wanted:
        raise InputError(
            f"{volume.origin} has {volume.channels} channel(s), but the model {bundle.name!r} expects "
            f"{wanted} ({', '.join(bundle.channel_names)}); choose the channels, or a model for such data."
        )


def model_spacings(volume: Volume, bundle: ModelBundle, settings: ModelSettings) -> Spacings:
    """Spacings of the volume and of the model.

    Raises
    ------
    InputError
        If the voxel size is unknown.
    ModelError
        If the two are so far apart that one of them, or the model's unit, must be wrong.
    """
    if volume.voxel_size_nm is None:
        raise InputError(
            f"The voxel size of {volume.origin} is not known: the file does not say, and a wrong one would "
            "spoil the result; give it in nm as z,y,x (--voxel-size-nm 50,8,8)."
        )
    spacing = bundle.spacing_nm(settings.spacing_unit)
    spacings = Spacings(*transposed_spacings(bundle, volume.voxel_size_nm, spacing))
    ratios = [c / t for c, t in zip(spacings.current, spacings.target, strict=True)]
    if max(ratios) > _LARGEST_RESAMPLING or min(ratios) < 1 / _LARGEST_RESAMPLING:
        raise ModelError(
            f"The volume's voxel size {extent(spacings.current)} nm and the model's "
            f"{extent(spacings.target)} nm differ more than {_LARGEST_RESAMPLING:g}-fold; check "
            "the voxel size, or say what unit the model's spacing is in (--spacing-unit nm, um, mm, or none "
            "to run on the voxels as they are)."
        )
    return spacings


def mirror_axes(bundle: ModelBundle, tta: str) -> tuple[int, ...]:
    """Axes of the network's patch to flip.

    Parameters
    ----------
    bundle : ModelBundle
        Knows which axes the model was trained to be flipped along.
    tta : str
        ``none``, ``all`` (that the model allows), or letters of z, y and x in the model's own axes.

    Returns
    -------
    tuple of int
        Ascending; 0 is the first axis of the patch.

    Raises
    ------
    SettingsError
        If the model was not trained with such flips.
    """
    if tta == "none":
        return ()
    if tta == "all":
        return tuple(bundle.mirror_axes)
    letters = _AXES[3 - len(bundle.patch_size) :]
    allowed = "".join(letters[a] for a in bundle.mirror_axes)
    refused = [letter for letter in tta if letter not in allowed]
    if refused:
        raise SettingsError(
            f"Flips along {tta!r} were asked for, but the model {bundle.name!r} allows "
            f"{allowed or 'none'}: along {', '.join(refused)} it was never trained mirrored; "
            f"choose {f'letters of {allowed}, ' if allowed else ''}all or none."
        )
    return tuple(letters.index(letter) for letter in letters if letter in tta)


def profile_axis(volume: Volume, bundle: ModelBundle, spacings: Spacings) -> int | None:
    """Axis of the volume across which the statistics need the range of every plane, if any."""
    whole = make_space(
        bundle, volume.shape, Box.whole(volume.shape), (spacings.current, spacings.target), 0.5
    )
    separate = whole.forth.separate_axis
    if not whole.forth.overshoots or separate is None:
        return None
    return whole.forward[separate]


def needs_mask(bundle: ModelBundle) -> bool:
    """Whether any channel is normalised inside the non-zero mask only."""
    return any(n.name == "ZScoreNormalization" and n.use_mask for n in bundle.normalization)


def prepare(
    volume: Volume,
    bundle: ModelBundle,
    statistics: VolumeStatistics,
    spacings: Spacings,
    prediction: PredictionSettings,
    mask: MaskReader | None = None,
) -> Steps[Preprocessor]:
    """Fix the grids and the normalisation of a whole volume.

    Parameters
    ----------
    volume : Volume
        The volume; a region of it is predicted with the grids and statistics of the whole.
    bundle : ModelBundle
        The model.
    statistics : VolumeStatistics
        Of the whole volume.
    spacings : Spacings
        From `model_spacings`.
    prediction : PredictionSettings
        Overlap.
    mask : MaskReader, optional
        The non-zero mask, where it was found already with the planes of these statistics.

    Yields
    ------
    tuple of int
        Blocks done and in all, while holes of the non-zero mask are looked for.

    Returns
    -------
    Preprocessor

    Raises
    ------
    InputError, ModelError
        If the volume or the plans cannot be handled; see `make_normalizer` and `make_resampling`.
    """
    assert statistics.bbox is not None  # a volume of zeros is refused as constant
    space = make_space(
        bundle, volume.shape, statistics.bbox, (spacings.current, spacings.target), prediction.overlap
    )
    if 0 in space.model_shape:
        raise InputError(
            f"At the model's voxel size {extent(spacings.target)} nm nothing is left of the volume "
            f"({extent(space.crop.shape)} voxels of {extent(spacings.current)} nm); check the voxel size."
        )
    if mask is None and needs_mask(bundle):
        axis = None if statistics.profile is None else statistics.profile.axis
        mask = yield from find_mask(volume, axis)
    normalizers = _normalizers(bundle, space, statistics, mask)
    value_range = make_value_range(space, statistics, normalizers, mask)
    return Preprocessor(volume, space, normalizers, mask, value_range)


def _normalizers(
    bundle: ModelBundle, space: ModelSpace, statistics: VolumeStatistics, mask: MaskReader | None
) -> tuple[Normalizer, ...]:
    result = []
    for channel, plan in zip(statistics.channels, bundle.normalization, strict=True):
        masked = mask is not None and plan.use_mask and plan.name == "ZScoreNormalization"
        voxels = statistics.any_count + mask.hole_count if masked and mask is not None else space.crop.size
        moments = channel.with_zeros(voxels - channel.count)
        result.append(make_normalizer(plan.name, moments, plan.properties, masked=masked))
    return tuple(result)
