"""Shares, interruptions and faults of a job: what is made anew has the same bytes."""

import contextlib
import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from batch_job import job_config, release_digests

from lunar_models.config.serve import ServeConfig
from lunar_models.errors import CheckpointError, ConfigError, CropSetError, MosaicError
from lunar_models.mosaic.raster import MosaicReader
from serving.app.release import Release
from serving.app.supervisor import check
from serving.batch import stages, tasks
from serving.batch.driver import classify_catalogue, classify_share, merge_shares, parse_share
from serving.batch.files import locked
from serving.batch.job import Job
from serving.batch.model import find_model
from serving.model.bundle import assemble

pytestmark = pytest.mark.usefixtures("small_units")


class Killed(BaseException):
    """Stands for the process being killed: no handler may catch it."""


def nothing(progress):
    pass


def test_shares_give_the_same_bytes_in_any_order(moon, bundle_folder, release, tmp_path):
    config = job_config(moon, bundle_folder, tmp_path / "release", shards=7)
    classify_share(config, "2/3", report=nothing)
    with pytest.raises(CropSetError, match=r"5 of 7 shards .* cannot be merged: shard 0: .*not fi"):
        merge_shares(config)
    classify_share(config, "3/3", report=nothing)
    classify_share(config, "1/3", report=nothing)
    assert merge_shares(config) == tmp_path / "release"
    assert release_digests(tmp_path / "release") == release_digests(release)
    classify_share(config, "1/3", report=nothing)  # nothing is left to do
    assert merge_shares(config) == tmp_path / "release"


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "a/b", "1/0", "-1/3"])
def test_share_that_is_none_is_refused(text):
    with pytest.raises(ConfigError, match="is not i/n"):
        parse_share(text)


def test_damaged_shard_is_reported_and_only_it_is_made_anew(
    moon, bundle_folder, release, tmp_path, monkeypatch
):
    config = job_config(moon, bundle_folder, tmp_path / "release", shards=4)
    for share in ("1/2", "2/2"):
        classify_share(config, share, report=nothing)
    job = Job.open(tmp_path / "release.partial")
    content = bytearray(job.file("classify", 2).read_bytes())
    content[100] ^= 1
    job.file("classify", 2).write_bytes(content)
    with pytest.raises(CropSetError, match=r"1 of 4 shards .*shard 2: 00002.parquet has the dig"):
        merge_shares(config)
    made = []
    work = tasks._classify
    monkeypatch.setattr(tasks, "_classify", lambda j, n, d: made.append(n) or work(j, n, d))
    classify_catalogue(config)
    assert made == [2]
    assert release_digests(tmp_path / "release") == release_digests(release)


@pytest.fixture
def stopped(moon, bundle_folder, tmp_path, monkeypatch):
    """Start a job that is killed where it calls a function of `tasks`; returns its parameters."""

    def start(function):
        def killed(*arguments):
            raise Killed

        config = job_config(moon, bundle_folder, tmp_path / "release", shards=3)
        with monkeypatch.context() as patch:
            patch.setattr(tasks, function, killed)
            with pytest.raises(Killed):
                classify_catalogue(config)
        return config

    return start


def damage(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0x40
    file.write_bytes(content)


def remove_end(file):
    file.write_bytes(file.read_bytes()[:-100])


@pytest.mark.parametrize("harm", [damage, remove_end, Path.unlink])
@pytest.mark.parametrize(
    ("name", "before"), [("measures/00001.npy", "align"), ("aligned.arrow", "_classify")]
)
def test_damaged_file_between_two_stages_is_made_anew(
    stopped, release, tmp_path, monkeypatch, name, before, harm
):
    config = stopped(before)
    file = tmp_path / "release.partial" / name
    whole = file.read_bytes()
    harm(file)
    made = []

    def classify(*arguments, work=tasks._classify):
        made.append(file.read_bytes())
        return work(*arguments)

    monkeypatch.setattr(tasks, "_classify", classify)
    classify_catalogue(config)
    assert made == 3 * [whole]
    assert release_digests(tmp_path / "release") == release_digests(release)


def add_a_line(file):
    file.write_bytes(file.read_bytes() + b"FORGED,nothing\n")


@pytest.mark.parametrize("harm", [damage, remove_end, add_a_line, Path.unlink])
@pytest.mark.parametrize("name", ["craters.arrow", "rejected.csv"])
def test_damaged_plan_is_refused(stopped, tmp_path, name, harm):
    config = stopped("_measure")
    harm(tmp_path / "release.partial" / "plan" / name)
    with pytest.raises(CropSetError, match=rf"{name} is damaged; delete .*release.partial"):
        classify_catalogue(config)


def test_plan_that_is_damaged_while_shards_are_made_is_refused(
    moon, bundle_folder, tmp_path, monkeypatch
):
    def harm(job, align=tasks.align):
        add_a_line(job.folder / "plan" / "rejected.csv")
        align(job)

    monkeypatch.setattr(tasks, "align", harm)
    with pytest.raises(CropSetError, match=r"rejected.csv is damaged"):
        classify_catalogue(job_config(moon, bundle_folder, tmp_path / "release"))
    assert not (tmp_path / "release").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda plan: [], "plan.json is no JSON object"),
        (lambda plan: {"format_version": 3}, "plan.json has no usable 'key'"),
        (lambda plan: plan | {"format_version": 1}, "format version 1, not 3"),
        (lambda plan: plan | {"key": {"parameters": {}}}, "no usable 'model' in 'key'"),
        (lambda plan: plan | {"shards": "many"}, "no usable 'shards'"),
        (lambda plan: {k: v for k, v in plan.items() if k != "sha256"}, "no usable 'sha256'"),
    ],
)
def test_plan_of_another_form_is_refused(stopped, tmp_path, change, said):
    config = stopped("_measure")
    file = tmp_path / "release.partial" / "plan" / "plan.json"
    file.write_text(json.dumps(change(json.loads(file.read_text()))))
    with pytest.raises(CropSetError, match=rf"{said}.*; delete the folder and start again"):
        classify_catalogue(config)


def test_output_below_a_file_is_refused(moon, bundle_folder, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CropSetError, match="Not a directory"):
        classify_catalogue(job_config(moon, bundle_folder, tmp_path / "file" / "release"))


def test_second_driver_is_refused(moon, bundle_folder, tmp_path):
    config = job_config(moon, bundle_folder, tmp_path / "release")
    (tmp_path / "release.partial").mkdir()
    for alone in (True, False):
        with (
            locked(tmp_path / "release.partial", alone=alone),
            pytest.raises(CropSetError, match="Another process is working on"),
        ):
            classify_catalogue(config)


def test_full_disk_is_told_and_what_is_finished_is_kept(
    moon, bundle_folder, release, tmp_path, monkeypatch
):
    config = job_config(moon, bundle_folder, tmp_path / "release", shards=5)
    left = {"calls": 30}
    fsync = os.fsync

    def full(descriptor):
        left["calls"] -= 1
        if left["calls"] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(CropSetError, match=r"No space left on device. Free some space"):
            classify_catalogue(config)
    assert list((tmp_path / "release.partial" / "measures").glob("*.npy"))
    classify_catalogue(config)
    assert release_digests(tmp_path / "release") == release_digests(release)


def test_disk_that_is_full_when_the_model_is_copied_is_told(
    moon, bundle_folder, release, tmp_path, monkeypatch
):
    config = job_config(moon, bundle_folder, tmp_path / "release")

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copystat", full)
        with pytest.raises(CropSetError, match=r"release.partial: .*No space left on device.*Free"):
            classify_catalogue(config)
    classify_catalogue(config)
    assert release_digests(tmp_path / "release") == release_digests(release)


@pytest.mark.parametrize(
    ("output", "why"),
    [("/proc/release", "No such file or directory"), ("n" * 300, "File name too long")],
)
def test_output_that_no_folder_can_have_is_refused_in_a_sentence(moon, bundle_folder, output, why):
    with pytest.raises(CropSetError, match=f"^Cannot write to {output}.*: {why}. Free some"):
        classify_catalogue(job_config(moon, bundle_folder, Path(output)))


def test_encoder_of_the_package_is_told_to_be_registered_first():
    with pytest.raises(ConfigError, match=r"register -P encoder_uri=pretrained:craters-48\)"):
        find_model("pretrained:craters-48")


def test_unreadable_part_of_a_mosaic_fails_its_shards_alone(
    moon, bundle_folder, release, tmp_path, monkeypatch
):
    config = job_config(moon, bundle_folder, tmp_path / "release", shards=8)
    read = MosaicReader.read

    def broken(self, row0, column0, out):
        if row0 >= 1536 and len(out) > 100:  # not the few looks beforehand
            raise MosaicError(f"{self.mosaic.path} cannot be read at row {row0}.")
        read(self, row0, column0, out)

    with monkeypatch.context() as patch:
        patch.setattr(MosaicReader, "read", broken)
        with pytest.raises(CropSetError, match=r"of 8 shards failed \(measure\): shard [567]:"):
            classify_catalogue(config)
    job = Job.open(tmp_path / "release.partial")
    finished = [n for n in range(8) if job.file("measure", n).exists()]
    assert 4 <= len(finished) < 8
    classify_catalogue(config)
    assert release_digests(tmp_path / "release") == release_digests(release)


SLOW = [pytest.param(n, marks=pytest.mark.slow) for n in (1, 6, 13, 20)]


@pytest.mark.parametrize("after", [0, 14, 26, *SLOW])
def test_killed_and_resumed_gives_the_same_bytes(
    moon, bundle_folder, release, tmp_path, monkeypatch, after
):
    """Killed after any number of operations that give files their names."""
    config = job_config(moon, bundle_folder, tmp_path / "release", shards=6)
    calls = {"left": after}

    def dying(function):
        def call(*arguments, **keywords):
            calls["left"] -= 1
            if calls["left"] < 0:
                raise Killed
            return function(*arguments, **keywords)

        return call

    with monkeypatch.context() as patch:
        for name in ("replace", "rename"):
            patch.setattr(os, name, dying(getattr(os, name)))
        with contextlib.suppress(Killed):
            classify_catalogue(config)
    assert calls["left"] < 0
    classify_catalogue(config)
    assert release_digests(tmp_path / "release") == release_digests(release)
    assert not (tmp_path / "release.partial").exists()


def test_finished_release_is_returned_and_another_one_refused(
    moon, bundle_folder, release, monkeypatch
):
    monkeypatch.setattr(stages, "open_or_plan", None)  # would fail if called
    config = job_config(moon, bundle_folder, release)
    assert classify_catalogue(config) == json.loads((release / "metadata.json").read_text())
    with pytest.raises(CropSetError, match=r"another max_overlap_larger. Delete it"):
        classify_catalogue(config.replace(max_overlap_larger=0.5))


def test_release_that_is_cited_otherwise_is_not_kept_silently(moon, bundle_folder, tmp_path):
    given = {"title": "Mine", "creators": ("A", "B"), "licence": "CC0", "citation": "A & B"}
    config = job_config(moon, bundle_folder, tmp_path / "release", **given)
    made = classify_catalogue(config)
    assert classify_catalogue(config) == made
    unsaid = job_config(moon, bundle_folder, tmp_path / "release")
    assert classify_catalogue(unsaid) == made
    others = {"title": "Yours", "creators": ("B", "A"), "licence": "MIT", "citation": "B & A"}
    for name, other in others.items():
        for run in (classify_catalogue, merge_shares):
            with pytest.raises(CropSetError, match=rf"published with another {name} .*Leave out"):
                run(config.replace(**{name: other}))
    assert classify_catalogue(config) == made


PUBLISHED = ["craters.parquet", "embeddings.parquet", "tiles.arrow", "rejected.csv"]


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (damage, r"is not what was published \(sha256 "),
        (add_a_line, r"is not what was published \(\d+ bytes, not \d+"),
        (Path.unlink, "is missing"),
    ],
)
def test_damaged_release_is_refused(moon, bundle_folder, release, tmp_path, name, harm, said):
    folder = tmp_path / "release"
    shutil.copytree(release, folder)
    harm(folder / name)
    config = job_config(moon, bundle_folder, folder)
    told = rf"{name} {said}.*; delete the folder .*release and run classify again"
    for run in (classify_catalogue, merge_shares):
        with pytest.raises(CropSetError, match=told):
            run(config)
    told = told if name != "tiles.arrow" or harm is not Path.unlink else "before releases had"
    with pytest.raises(CropSetError, match=told):
        Release.open(folder, digests=True)


def test_server_refuses_a_damaged_release_before_it_starts_workers(
    bundle_folder, release, tmp_path
):
    folder = tmp_path / "release"
    shutil.copytree(release, folder)
    config = ServeConfig(model=str(bundle_folder), release=str(folder))
    check(config)
    damage(folder / "embeddings.parquet")
    with pytest.raises(CropSetError, match=r"embeddings.parquet is not what was published"):
        check(config)
    (folder / "embeddings.parquet").unlink()
    with pytest.raises(CropSetError, match=r"embeddings.parquet is missing"):
        Release.open(folder)  # by a worker, which compares no digests


def test_release_that_lists_no_files_is_refused(moon, bundle_folder, release, tmp_path):
    folder = tmp_path / "release"
    shutil.copytree(release, folder)
    said = json.loads((folder / "metadata.json").read_text())
    config = job_config(moon, bundle_folder, folder)
    for files in (None, {}, said["files"] | {"craters.parquet": {"sha256": "0"}}):
        (folder / "metadata.json").write_text(json.dumps(said | {"files": files}))
        with pytest.raises(CropSetError, match=r"does not list|has no size and digest"):
            classify_catalogue(config)


def test_work_of_other_parameters_is_left_alone(moon, bundle_folder, tmp_path):
    config = job_config(moon, bundle_folder, tmp_path / "release", shards=4)
    classify_share(config, "1/4", report=nothing)
    for changed in ({"min_native_px": 9.0}, {"shards": 5}):
        name = next(iter(changed))
        with pytest.raises(CropSetError, match=f"begun with another {name}; delete that folder"):
            classify_share(config.replace(**changed), "1/4", report=nothing)
    other = tmp_path / "other.csv"
    other.write_text((moon / "craters.csv").read_text() + "C999,0,0,30\n")
    with pytest.raises(CropSetError, match="begun with another catalogue, files"):
        classify_share(config.replace(catalogue=str(other)), "1/4", report=nothing)


def test_output_that_is_no_release_is_left_alone(moon, bundle_folder, tmp_path):
    (tmp_path / "release").mkdir()
    (tmp_path / "release" / "thesis.txt").write_text("precious")
    with pytest.raises(CropSetError, match="is no release of this code"):
        classify_catalogue(job_config(moon, bundle_folder, tmp_path / "release"))
    assert (tmp_path / "release" / "thesis.txt").read_text() == "precious"


@pytest.mark.parametrize("harm", [damage, remove_end, add_a_line, Path.unlink])
@pytest.mark.parametrize("name", ["head/head.npz", "bundle.json"])
def test_damaged_copy_of_the_model_is_told_with_what_helps(stopped, tmp_path, name, harm):
    config = stopped("_measure")
    harm(tmp_path / "release.partial" / "plan" / "model" / name)
    with pytest.raises(CropSetError, match=r"release.partial/plan/model.* is damaged") as told:
        classify_catalogue(config)
    assert f"delete {tmp_path / 'release.partial'} and start again" in str(told.value)
    assert "egister" not in str(told.value)


def test_copy_of_the_model_that_is_damaged_meanwhile_is_told(
    moon, bundle_folder, tmp_path, monkeypatch
):
    def harm(job, align=tasks.align):
        damage(job.model_folder / "head" / "head.npz")
        align(job)

    monkeypatch.setattr(tasks, "align", harm)
    with pytest.raises(CropSetError, match=r"copy of the model .*head.npz changed or missing"):
        classify_catalogue(job_config(moon, bundle_folder, tmp_path / "release"))


def test_encoder_without_answers_is_refused(parts, taught, moon, tmp_path):
    alone = assemble(
        tmp_path / "alone", encoder=parts.encoder, golden=np.array(parts.crop_set.crops[:4])
    )
    with pytest.raises(ConfigError, match=r"without head and clusters: .*models:/NAME@champion"):
        classify_catalogue(job_config(moon, alone, tmp_path / "release"))
    assert not (tmp_path / "release.partial").exists()
    assert find_model(str(taught)).folder == taught  # its encoder tells scores itself
    clustered = assemble(
        tmp_path / "clustered",
        encoder=parts.encoder,
        clusters=parts.clusters,
        golden=np.array(parts.crop_set.crops[:4]),
    )
    assert find_model(str(clustered)).folder == clustered


def test_bare_name_of_a_model_is_refused_with_its_uri(tracking):
    with pytest.raises(CheckpointError, match=r"named models:/lunar-x@champion"):
        find_model("lunar-x")
