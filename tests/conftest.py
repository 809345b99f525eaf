"""What all tests share: an isolated machine, one torch thread, and the data beside the repository."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

REPOSITORY = Path(__file__).resolve().parents[1]

# How fast examples come says how busy the machine is, not whether the code is right.
_ANY_SPEED = hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.register_profile("default", _ANY_SPEED, max_examples=15, database=None)
hypothesis.settings.register_profile(
    "ci", _ANY_SPEED, max_examples=15, database=None, derandomize=True, print_blob=True
)
hypothesis.settings.register_profile("thorough", _ANY_SPEED, max_examples=300, print_blob=True)

_SANDBOX = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    """Give the session its own home for settings and caches, before anything reads the real ones.

    napari reads ``NAPARI_CONFIG`` when it is imported and torch its thread counts when it is loaded,
    so neither can wait for a fixture. Processes that a test starts inherit all of it.
    """
    sandbox = Path(tempfile.mkdtemp(prefix="nnunet-em-tests-"))
    config.stash[_SANDBOX] = sandbox
    os.environ["NAPARI_CONFIG"] = str(sandbox / "napari" / "settings.yaml")
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "MPLCONFIGDIR"):
        os.environ[name] = str(sandbox / name.lower())
        (sandbox / name.lower()).mkdir()
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    default = "ci" if os.environ.get("CI") else "default"
    hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", default))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove what the session left in its own home."""
    sandbox = config.stash.get(_SANDBOX, None)
    if sandbox is not None:
        shutil.rmtree(sandbox, ignore_errors=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests that use the shared data, and keep all windows in one worker of pytest-xdist.

    Windows come first, since one worker has to open them all, and then slow tests: so no worker of
    pytest-xdist is left alone at the end.
    """
    for item in items:
        if "shared_dir" in getattr(item, "fixturenames", ()):
            item.add_marker("shared")
        if item.get_closest_marker("gui"):
            item.add_marker(pytest.mark.xdist_group("gui"))
    items.sort(
        key=lambda item: (item.get_closest_marker("gui") is None, item.get_closest_marker("slow") is None)
    )


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail a window test that has no screen: Qt would end the whole process instead."""
    has_screen = not sys.platform.startswith("linux") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    )
    if item.get_closest_marker("gui") and not has_screen:
        pytest.fail(
            "This test opens a napari window and there is no screen: "
            "run `make test`, or put `xvfb-run -a` in front of pytest.",
            pytrace=False,
        )


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of real volumes and models; the test skips where it is missing.

    It is ``$NNUNET_EM_SHARED``, or ``shared`` beside the repository.
    """
    folder = Path(os.environ.get("NNUNET_EM_SHARED") or REPOSITORY.parent / "shared")
    if not (folder / "models").is_dir():
        pytest.skip(f"real volumes and models are not at {folder} (set NNUNET_EM_SHARED to their folder)")
    return folder


@pytest.fixture(autouse=True)
def _one_torch_thread() -> Iterator[None]:
    """Undo what a test did to torch's thread count, which belongs to the whole process."""
    yield
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() != 1:
        torch.set_num_threads(1)
