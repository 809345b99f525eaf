"""Job files: what is written is read back, and what is wrong is said in one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_nnunet_em.cli.jobfile import build_job, read_job_file, write_job
from napari_nnunet_em.config import Connectivity, Job, PredictionSettings, Preset
from napari_nnunet_em.errors import SettingsError
from napari_nnunet_em.geometry import Box

MINIMAL_OPTIONS = {"input.path": "a.tif", "output.path": "o.zarr"}
MINIMAL = {"input": {"path": "a.tif"}, "output": {"path": "o.zarr"}}


def write(folder: Path, text: str, name: str = "job.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def complaint(config: Path | None, given: dict[str, Any] | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        build_job(config, given or {})
    return str(caught.value)


names = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1)
sizes = st.floats(1e-3, 1e6)
jobs = st.builds(
    lambda path, out, size, box, folds, kind: Job.model_validate(
        {
            "input": {"path": path, "voxel_size_nm": size},
            "output": {"path": out, "ome_zarr_version": kind},
            "prediction": {"region": Box((box[0], 1, 2), (box[0] + 3, 4, 5 + box[1]))},
            "model": {"folds": folds},
        }
    ),
    names,
    names,
    st.none() | st.tuples(sizes, sizes, sizes),
    st.tuples(st.integers(0, 2**40), st.integers(0, 9)),
    st.none() | st.lists(st.sampled_from(["0", "1", "all"]), min_size=1),
    st.sampled_from(["0.4", "0.5"]),
)


@given(jobs)
def test_written_jobs_are_read_back_as_they_were(tmp_path_factory: pytest.TempPathFactory, job: Job) -> None:
    path = tmp_path_factory.mktemp("job") / "job.yaml"
    path.write_text(write_job(job), encoding="utf-8")
    assert build_job(path, {}) == job


@given(jobs)
def test_json_documents_are_job_files_too(tmp_path_factory: pytest.TempPathFactory, job: Job) -> None:
    path = tmp_path_factory.mktemp("job") / "job.json"
    path.write_text(json.dumps(job.document()), encoding="utf-8")
    assert build_job(path, {}) == job


def test_written_jobs_explain_each_setting_on_lines_of_100_columns() -> None:
    text = write_job(Job.model_validate(MINIMAL))
    assert "# Share of a patch by which neighbouring tiles overlap" in text
    assert text.startswith("input:\n")
    assert max(len(line) for line in text.splitlines()) <= 100


def test_command_line_wins_over_the_file(tmp_path: Path) -> None:
    config = write(
        tmp_path, "input: {path: a.tif}\noutput: {path: o.zarr}\nprediction: {overlap: 0.75, tta: yx}"
    )
    job = build_job(config, {"prediction.overlap": "0.25", "output.path": "p.zarr"})
    assert job.prediction.overlap == 0.25
    assert job.prediction.tta == "yx"
    assert job.output.path == "p.zarr"
    assert job.input.path == "a.tif"


def test_flips_and_overlap_win_over_a_preset_that_stands_beside_them(tmp_path: Path) -> None:
    start = "input: {path: a.tif}\noutput: {path: o.zarr}\nprediction: "
    config = write(tmp_path, start + "{preset: best, overlap: 0.25}")
    assert build_job(config, {}).prediction == PredictionSettings(tta="all", overlap=0.25)
    given = {"prediction.preset": "fast", "prediction.tta": "yx"}
    assert build_job(None, MINIMAL_OPTIONS | given).prediction == PredictionSettings(tta="yx", overlap=0.25)
    assert build_job(config, {"prediction.tta": "none"}).prediction.tta == "none"


def test_a_preset_of_the_command_line_wins_over_the_file(tmp_path: Path) -> None:
    for name in Preset:
        written = write_job(Job.model_validate({**MINIMAL, "prediction": {"tta": "yx", "overlap": 0.75}}))
        job = build_job(write(tmp_path, written), {"prediction.preset": name.value})
        assert job.prediction == PredictionSettings(preset=name)


def test_the_preset_of_a_written_job_can_be_changed_in_its_place(tmp_path: Path) -> None:
    written = write_job(Job.model_validate(MINIMAL))
    changed = written.replace("\n  preset: balanced\n", "\n  preset: best\n")
    assert changed != written
    assert build_job(write(tmp_path, changed), {}).prediction == PredictionSettings(preset="best")


def test_a_preset_that_does_not_exist_is_said(tmp_path: Path) -> None:
    assert complaint(None, MINIMAL_OPTIONS | {"prediction.preset": "quick"}) == (
        "--preset must be one of fast, balanced or best, but is 'quick'."
    )


def test_text_of_the_command_line_becomes_values() -> None:
    job = build_job(
        None,
        {
            "input.path": "a.tif",
            "input.voxel_size_nm": "56,8,8",
            "output.path": "o.zarr",
            "model.folds": "0,1",
            "prediction.region": "0:1,2:3,4:5",
            "instances.connectivity": "26",
            "instances.enabled": False,
        },
    )
    assert job.input.voxel_size_nm == (56.0, 8.0, 8.0)
    assert job.model.folds == ("0", "1")
    assert job.prediction.region == Box((0, 2, 4), (1, 3, 5))
    assert job.instances.connectivity is Connectivity.CORNERS
    assert not job.instances.enabled


def test_numbers_without_quotes_are_taken_as_yaml_reads_them(tmp_path: Path) -> None:
    config = write(
        tmp_path,
        "input: {path: a}\noutput: {path: o, ome_zarr_version: 0.4}\nmodel: {folds: 0}\nexecution:\n",
    )
    job = build_job(config, {})
    assert job.output.ome_zarr_version == "0.4"
    assert job.model.folds == ("0",)


def test_all_problems_are_told_at_once_and_where_they_stand(tmp_path: Path) -> None:
    config = write(
        tmp_path, "input: {path: a.tif, voxel_size_nm: [8, 8]}\ninstances: {threshold: 3}\nmodel: {path: 4}"
    )
    given = {
        "prediction.overlap": "2",
        "prediction.tta": "xyw",
        "prediction.region": "1:3",
        "execution.device": "gpu",
        "instances.min_voxels": "3.5",
    }
    assert complaint(config, given).splitlines() == [
        f"input.voxel_size_nm in {config} must be given as Z,Y,X in nm, but is [8, 8].",
        f"model.path in {config} cannot be 4. Name of an installed model, or path of a trained-model "
        "folder, zip or checkpoint.",
        "The region '1:3' cannot be read: write it in voxels as z0:z1,y0:y1,x0:x1, for example "
        "0:10,512:1024,512:1024.",
        "--tta cannot be 'xyw'. Axes flipped and averaged: none, all (that the model allows), or some of "
        "zyx, as yx.",
        "--overlap must be a number (from 0 to 0.9), but is '2'.",
        f"instances.threshold in {config} must be a number (above 0 and below 1), but is 3.",
        "--min-voxels must be a whole number (at least 0), but is '3.5'.",
        "OUTPUT is missing; give it on the command line or as output.path in a job file.",
        "--device must be one of auto, cpu, cuda or mps, but is 'gpu'.",
    ]


@pytest.mark.parametrize("value", ["0,8,8", "nan,8,8", "inf,8,8", "-1,8,8", "8", "a,b,c"])
def test_impossible_voxel_sizes_are_refused(value: str) -> None:
    given = {"input.path": "a", "output.path": "o", "input.voxel_size_nm": value}
    assert complaint(None, given) == f"--voxel-size-nm must be given as Z,Y,X in nm, but is {value!r}."


def test_switches_in_files_must_be_true_or_false(tmp_path: Path) -> None:
    config = write(tmp_path, "input: {path: a}\noutput: {path: o}\nmodel: {trust: perhaps}")
    assert complaint(config) == f"model.trust in {config} must be true or false, but is 'perhaps'."


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("instances: {treshold: 0.5}", "unknown key instances.treshold; did you mean instances.threshold?"),
        ("overlap: 0.5", "unknown key overlap; did you mean prediction.overlap?"),
        ("model: {overlap: 0.5}", "unknown key model.overlap; did you mean prediction.overlap?"),
        ("modle: {path: m}", "unknown key modle; did you mean model?"),
        ("min_volume: 1", "unknown key min_volume; did you mean instances.min_volume_um3?"),
        ("wxyz: 1", "unknown key wxyz; 'segment --write-config' prints every key there is."),
        ("3: 1", "unknown key 3; 'segment"),
    ],
)
def test_unknown_keys_are_named_with_the_nearest_valid_one(tmp_path: Path, text: str, words: str) -> None:
    config = write(tmp_path, text)
    assert complaint(config).startswith(f"The job file {config} has the {words}")


def test_files_that_are_no_job_files_are_explained(tmp_path: Path) -> None:
    missing = tmp_path / "none.yaml"
    assert complaint(missing) == f"The job file {missing} cannot be read: no such file or directory."
    broken = write(tmp_path, "input: {path: a\noutput: [")
    assert complaint(broken).startswith(
        f"The job file {broken} is not valid YAML or JSON in line 2, column 7:"
    )
    torn = write(tmp_path, '{"input": {"path": "a"}', "job.json")
    assert complaint(torn).startswith(f"The job file {torn} is not valid YAML or JSON in line 1, column 24: ")
    binary = tmp_path / "b.yaml"
    binary.write_bytes(b"\xff\xfe\xfa\x80")
    assert complaint(binary) == f"The job file {binary} is not valid YAML or JSON."
    assert "must hold groups of settings" in complaint(write(tmp_path, "- 1\n- 2"))
    flat = write(tmp_path, "input: a.tif")
    assert complaint(flat) == f"input in {flat} must hold settings as 'name: value', but is 'a.tif'."


def test_an_empty_file_is_an_empty_job(tmp_path: Path) -> None:
    assert read_job_file(write(tmp_path, "# nothing yet\n")) == {}
