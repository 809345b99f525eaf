"""What a user gets: a light import, a complete wheel, and dependencies that are really used."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml

import napari_nnunet_em

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "napari_nnunet_em"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

HEAVY = (
    *("torch", "monai", "nnunetv2", "napari", "npe2", "qtpy", "PyQt6", "magicgui", "superqt", "vispy"),
    *("zarr", "dask", "h5py", "tifffile", "scipy", "skimage", "pandas", "pyarrow", "matplotlib"),
)
QT_BINDINGS = {"pyqt5", "pyqt6", "pyside2", "pyside6"}


def loaded_by(statement: str) -> set[str]:
    """Top-level modules that a fresh Python holds after the statement."""
    code = f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import napari_nnunet_em",
        "import napari_nnunet_em._napari",
        "import napari_nnunet_em.cli",
        "from napari_nnunet_em import Job",
    ],
)
def test_import_is_light(statement: str) -> None:
    assert loaded_by(statement).isdisjoint(HEAVY)


def test_every_public_name_can_be_imported() -> None:
    for name in napari_nnunet_em.__all__:
        assert getattr(napari_nnunet_em, name) is not None
    assert dir(napari_nnunet_em) == sorted(napari_nnunet_em.__all__)
    with pytest.raises(AttributeError, match="no attribute 'segmnet'"):
        napari_nnunet_em.segmnet  # noqa: B018


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from the source distribution as an installer would."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def test_wheel_holds_every_file_of_the_package(wheel: zipfile.ZipFile) -> None:
    tracked = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "src"], capture_output=True, text=True, check=True
    ).stdout.split("\n")
    expected = {name.removeprefix("src/") for name in tracked if name and (ROOT / name).exists()}
    assert {"napari_nnunet_em/napari.yaml", "napari_nnunet_em/py.typed"} <= expected
    assert expected <= set(wheel.namelist())


def test_wheel_holds_models_with_their_cards_and_licences(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    weights = {name for name in names if name.endswith(".pth")}
    assert len(weights) == 2
    for checkpoint in weights:
        model = checkpoint.rsplit("/", 2)[0]
        assert {f"{model}/plans.json", f"{model}/dataset.json"} <= names
        beside = {name.rsplit("/", 1)[1].lower() for name in names if name.rsplit("/", 1)[0] == model}
        assert any("licen" in name for name in beside), beside
        assert any(name.endswith(".md") and "licen" not in name for name in beside), beside


def test_manifest_in_the_wheel_is_the_manifest(wheel: zipfile.ZipFile) -> None:
    manifest = wheel.read("napari_nnunet_em/napari.yaml").decode()
    assert yaml.safe_load(manifest)["name"] == PROJECT["name"]
    assert manifest == (PACKAGE / "napari.yaml").read_text(encoding="utf-8")


def test_manifest_at_the_top_leads_to_the_one_in_the_package() -> None:
    top = ROOT / "napari.yaml"
    # Where git makes no links (Windows), the file holds the path instead.
    target = str(top.readlink()) if top.is_symlink() else top.read_text(encoding="utf-8")
    assert target.strip().replace("\\", "/") == "src/napari_nnunet_em/napari.yaml"


def names_of(requirements: list[str]) -> set[str]:
    """Names of distributions, without versions and extras."""
    return {re.split(r"[\s\[<>=!~;]", requirement, maxsplit=1)[0].lower() for requirement in requirements}


def test_no_qt_binding_by_default_and_one_in_all() -> None:
    assert names_of(PROJECT["dependencies"]).isdisjoint(QT_BINDINGS)
    assert names_of(PROJECT["optional-dependencies"]["all"]) == {"napari", "openvino", "tensorstore"}
    assert any("[pyqt6]" in requirement for requirement in PROJECT["optional-dependencies"]["all"])


def imported_by(paths: Iterable[Path]) -> set[str]:
    """Distributions that bring the modules imported anywhere in these files."""
    modules = set()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module.partition(".")[0])
    distributions = importlib.metadata.packages_distributions()
    third_party = modules - set(sys.stdlib_module_names) - {"napari_nnunet_em"}
    return {distributions[module][0].lower().replace("_", "-") for module in third_party}


def test_dependencies_are_what_the_code_imports() -> None:
    # Strategies are for tests only, and hypothesis comes with the extra ``test``.
    strategies = PACKAGE / "testing" / "strategies.py"
    used = imported_by(path for path in PACKAGE.rglob("*.py") if path != strategies)
    declared = names_of(PROJECT["dependencies"])
    assert used - declared == {"openvino", "tensorstore"}  # in the extra ``all``
    # npe2 reads the manifest, and is not imported by us.
    assert declared - used == {"npe2"}


def test_what_only_all_brings_is_imported_where_it_is_used_and_looked_for_first() -> None:
    extras = {"openvino", "tensorstore"}
    lines = [f"import {extra}" for extra in extras]
    sources = {path: path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}
    users = [path for path, text in sources.items() if any(line in text for line in lines)]
    for path in users:
        loaded = ast.parse(path.read_text(encoding="utf-8")).body  # outside functions and `if TYPE_CHECKING`
        names = [a.name for node in loaded if isinstance(node, ast.Import) for a in node.names]
        names += [node.module or "" for node in loaded if isinstance(node, ast.ImportFrom)]
        assert extras.isdisjoint(name.partition(".")[0] for name in names), path
    assert all(any(line in sources[path] for path in users) for line in lines)


def test_every_dependency_is_justified() -> None:
    page = (ROOT / "docs" / "design" / "dependencies.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([a-z0-9-]+) \|", page, re.MULTILINE)
    declared = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["all"]]
    assert set(rows) - {"dependency"} == names_of(declared)


def test_every_dependency_is_pinned_and_no_host_is_named() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", pin) for pin in pins), pins
    extras = PROJECT["optional-dependencies"]
    wanted = names_of(
        [*PROJECT["dependencies"], *extras["all"], *extras["test"], *extras["docs"], *extras["dev"]]
    )
    pinned = {pin.partition("==")[0] for pin in pins}
    assert {name.replace("_", "-") for name in wanted} - {PROJECT["name"]} <= pinned
