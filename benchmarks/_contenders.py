"""Those that benchmarks/speed.py compares, each from a stored volume to a stored result, in one process.

Each returns seconds from file to file, without imports; those of the engine alone, which is the part that
tiles, runs the network and blends; forward passes; and bytes read.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import dask.array as da
import numpy as np
import tifffile
import torch
import zarr
from _cases import CountingChunks

from napari_nnunet_em import Job, open_volume, segment
from napari_nnunet_em.engine.openvino_library import import_openvino
from napari_nnunet_em.model import ModelBundle, load_networks
from napari_nnunet_em.pipeline.journal import JobFolder
from napari_nnunet_em.progress import Stage


@dataclass(frozen=True)
class Request:
    """What to run; see `Case` and `Files`."""

    contender: str
    model: str
    tif: str
    zarr: str
    output: str
    voxel_size_nm: tuple[float, float, float]
    flips: bool
    device: str


@dataclass(frozen=True)
class Moment:
    """Seconds by the clock, and of all threads of this process; also the time between two moments."""

    clock: float = 0.0
    cpu: float = 0.0

    @classmethod
    def now(cls) -> Moment:
        """Both, from some common start."""
        return cls(time.perf_counter(), time.process_time())

    def __sub__(self, other: Moment) -> Moment:
        return Moment(self.clock - other.clock, self.cpu - other.cpu)


@dataclass
class Spent:
    """What it took, and the numbers in which the network computed."""

    whole: Moment = Moment()
    engine: Moment = Moment()
    passes: int = 0
    bytes_read: int = 0
    numbers: str = "float32"


def run(request: Request) -> Spent:
    """Run one contender, after all that it needs is imported and the device is awake."""
    torch.zeros(1, device=request.device)
    bundle = ModelBundle.open(request.model)
    load_networks(bundle, bundle.folds)  # imports every trainer of nnU-Net
    if "OpenVINO" in request.contender:
        import_openvino()
    started = Moment.now()
    spent = _CONTENDERS[request.contender](request)
    spent.whole = Moment.now() - started
    return spent


def _ours(backend: str, precision: str, compiled: str = "auto") -> Callable[[Request], Spent]:
    def contender(request: Request) -> Spent:
        volume = open_volume(request.zarr, voxel_size_nm=request.voxel_size_nm)
        counting = CountingChunks(volume.array)
        volume = replace(volume, array=counting, levels=(counting,))
        job = Job.model_validate(
            {
                "input": {"path": request.zarr},
                "model": {"path": request.model},
                "prediction": {"tta": "all" if request.flips else "none"},
                "instances": {"enabled": False},
                "output": {"path": request.output},
                "execution": {
                    "device": request.device,
                    "backend": backend,
                    "precision": precision,
                    "compile": compiled,
                },
            }
        )
        begun = ended = Moment.now()
        for event in segment(job, volume=volume):
            if event.stage is Stage.PREDICT:
                ended = Moment.now()
                begun = ended if event.message else begun  # it says what runs the network, which is ready
        spent = Spent(engine=ended - begun, numbers=precision)
        counted = JobFolder(job.store).load("prediction") or {}
        tiles = counted["tiles"] - counted["constant_tiles"]
        mirrored = len(ModelBundle.open(request.model).mirror_axes) if request.flips else 0
        spent.passes, spent.bytes_read = int(tiles) * 2**mirrored, counting.bytes_read
        return spent

    return contender


def _stock(request: Request) -> Spent:
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor  # noqa: PLC0415

    spent = Spent(numbers=_autocast(request))

    def timed(*arguments: Any) -> Any:
        begun = Moment.now()
        logits = engine(*arguments)
        spent.engine = Moment.now() - begun
        return logits

    predictor = nnUNetPredictor(
        use_mirroring=request.flips,
        device=torch.device(request.device),
        perform_everything_on_device=request.device == "cuda",
        allow_tqdm=False,
    )
    folds = tuple(ModelBundle.open(request.model).folds)
    predictor.initialize_from_trained_model_folder(request.model, folds)
    predictor.network.register_forward_hook(lambda _, inputs, __: _count(spent, inputs[0]))
    engine = predictor.predict_logits_from_preprocessed_data
    predictor.predict_logits_from_preprocessed_data = timed
    Path(request.output).mkdir()
    with contextlib.redirect_stdout(io.StringIO()), _counted_tiff(spent):
        predictor.predict_from_files_sequential([[request.tif]], [str(Path(request.output) / "volume")])
    return spent


def _autocast(request: Request) -> str:
    """In what nnUNetPredictor computes on this device."""
    return "float16" if request.device == "cuda" else "float32"


def _count(spent: Spent, batch: torch.Tensor) -> None:
    spent.passes += len(batch)


@contextlib.contextmanager
def _counted_tiff(spent: Spent) -> Iterator[None]:
    read = tifffile.imread

    def counting(*arguments: Any, **options: Any) -> Any:
        image = read(*arguments, **options)
        spent.bytes_read += image.nbytes
        return image

    with mock.patch.object(tifffile, "imread", counting):
        yield


def _monai(*, buffered: bool) -> Callable[[Request], Spent]:
    def contender(request: Request) -> Spent:
        from monai.inferers import SlidingWindowInferer  # noqa: PLC0415

        spent = Spent(numbers=_autocast(request))
        counting = CountingChunks(zarr.open_array(request.zarr, mode="r"))
        bundle = ModelBundle.open(request.model)
        network = load_networks(bundle, bundle.folds)[0].to(request.device)
        image = torch.from_numpy(np.asarray(da.from_array(counting), np.float32))
        image = (image - image.mean()) / image.std()
        # A 2D network takes the slices as a batch.
        tensor = image[:, None] if len(bundle.patch_size) == 2 else image[None, None]
        on_gpu = request.device == "cuda"
        inferer = SlidingWindowInferer(
            tuple(bundle.patch_size),
            sw_batch_size=4 if on_gpu else 1,
            overlap=0.5,
            mode="gaussian",
            sw_device=request.device,
            # The sums stay where the tiles are run, unless buffers of them go to the host.
            device="cpu" if buffered else request.device,
            cache_roi_weight_map=not buffered,
            buffer_steps=4 if buffered else None,
            buffer_dim=-1,
        )
        begun = Moment.now()
        axes = tuple(axis + 2 for axis in bundle.mirror_axes) if request.flips else ()
        with torch.inference_mode(), torch.autocast(request.device, enabled=on_gpu):
            logits = inferer(tensor, lambda tiles: _flipped(network, tiles, axes, spent)).cpu()
        spent.engine = Moment.now() - begun
        logits = logits.transpose(0, 1) if len(bundle.patch_size) == 2 else logits[0]
        probability = (torch.softmax(logits.float(), 0)[1] * 255).round().to(torch.uint8).numpy()
        _store(Path(request.output), probability, logits.argmax(0).to(torch.uint8).numpy())
        spent.bytes_read = counting.bytes_read
        return spent

    return contender


def _flipped(
    network: torch.nn.Module, tiles: torch.Tensor, axes: tuple[int, ...], spent: Spent
) -> torch.Tensor:
    """Mean over all flips, one after the other, as nnUNetPredictor makes it."""
    flips = [f for n in range(len(axes) + 1) for f in itertools.combinations(axes, n)]
    total = torch.zeros(())
    for flip in flips:
        spent.passes += len(tiles)
        answer = torch.flip(network(torch.flip(tiles, flip)), flip)
        total = answer if not flip else total + answer
    return total / len(flips)


def _store(folder: Path, *images: np.ndarray) -> None:
    for name, image in zip(("probability", "classes"), images, strict=True):
        chunks = tuple(min(c, n) for c, n in zip((16, 256, 256), image.shape, strict=True))
        array = zarr.create_array(folder / name, shape=image.shape, chunks=chunks, dtype=image.dtype)
        array[:] = image


_CONTENDERS: dict[str, Callable[[Request], Spent]] = {
    "nnUNetPredictor": _stock,
    "MONAI SlidingWindowInferer": _monai(buffered=False),
    "MONAI SlidingWindowInferer, buffered": _monai(buffered=True),
    "this engine, PyTorch float32": _ours("pytorch", "float32"),
    "this engine, PyTorch bfloat16": _ours("pytorch", "bfloat16"),
    "this engine, PyTorch float16": _ours("pytorch", "float16"),
    "this engine, PyTorch float16, compiled": _ours("pytorch", "float16", "always"),
    "this engine, OpenVINO float32": _ours("openvino", "float32"),
    "this engine, OpenVINO bfloat16": _ours("openvino", "bfloat16"),
}
