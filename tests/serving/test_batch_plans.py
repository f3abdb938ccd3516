"""A plan has a digest, every shard says what it was made of, and shares read only their own."""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from batch_job import job_config, release_digests

from lunar_models.errors import CropSetError
from serving.batch import files, merge, stages, tasks
from serving.batch.driver import classify_catalogue, classify_share, merge_shares
from serving.batch.files import Record, read_record, record_file
from serving.batch.job import Job
from serving.batch.tasks import run_task

pytestmark = pytest.mark.usefixtures("small_units")


def nothing(progress):
    pass


@pytest.fixture(scope="module")
def done(small_units, moon, bundle_folder, tmp_path_factory):
    """The work folder of three shares that are done, and are not merged."""
    output = tmp_path_factory.mktemp("done") / "first"
    for number in (1, 2, 3):
        config = job_config(moon, bundle_folder, output, shards=6)
        classify_share(config, f"{number}/3", report=nothing)
    return output.with_name("first.partial")


@pytest.fixture
def shared_out(done, moon, bundle_folder, tmp_path):
    """Such work, moved to where the release is wanted."""
    shutil.copytree(done, tmp_path / "release.partial")
    return job_config(moon, bundle_folder, tmp_path / "release", shards=6)


def test_moved_work_is_published_where_it_lies(shared_out, done, release, tmp_path):
    assert merge_shares(shared_out) == tmp_path / "release"
    assert release_digests(tmp_path / "release") == release_digests(release)
    assert not done.with_name("first").exists()


def flip(file, position=-200):
    content = bytearray(file.read_bytes())
    content[position] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(
    "change",
    [{"lit_level": 1.0}, {"shards": 4}, {"knows_sun": True}, {"model": {"digest": "0" * 64}}],
    ids=lambda change: next(iter(change)),
)
def test_plan_that_was_changed_is_refused_by_all(shared_out, tmp_path, change):
    file = tmp_path / "release.partial" / "plan" / "plan.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    runs = [
        lambda: classify_catalogue(shared_out),
        lambda: classify_share(shared_out, "2/3", report=nothing),
        lambda: merge_shares(shared_out),
    ]
    for run in runs:
        with pytest.raises(CropSetError, match=r"plan.json was changed .*delete the folder"):
            run()
    assert not (tmp_path / "release").exists()


def test_task_notices_that_the_plan_is_another_by_now(shared_out, tmp_path, moon, bundle_folder):
    other = job_config(moon, bundle_folder, tmp_path / "other", shards=6, min_native_px=9.0)
    begun = stages.begin(other)
    work = tmp_path / "release.partial"
    former = Job.open(work).digest
    shutil.rmtree(work)
    shutil.copytree(begun.folder, work)
    with pytest.raises(CropSetError, match="holds another plan than when this work began"):
        run_task(str(work), former, "measure", 0)


def test_shard_of_another_plan_is_not_merged_but_made_anew(
    shared_out, moon, bundle_folder, release, tmp_path
):
    other = job_config(moon, bundle_folder, tmp_path / "other", shards=6, min_native_px=9.0)
    classify_share(other, "1/1", report=nothing)
    mine, theirs = (Job.open(tmp_path / f"{name}.partial") for name in ("release", "other"))
    for stage, number in (("classify", 3), ("measure", 2)):
        file = theirs.file(stage, number)
        for each in (file, record_file(file)):
            shutil.copyfile(each, mine.file(stage, number).with_name(each.name))
    with pytest.raises(CropSetError, match=r"1 of 6 .*00003.parquet was made of another plan"):
        merge_shares(shared_out)
    classify_share(shared_out, "1/3", report=nothing)  # shards 0 and 3
    merge_shares(shared_out)
    assert release_digests(tmp_path / "release") == release_digests(release)


def test_measurements_of_another_plan_are_made_anew(
    moon, bundle_folder, release, tmp_path, monkeypatch
):
    """Those of another model's crops would have the same number of rows."""
    config = job_config(moon, bundle_folder, tmp_path / "release", shards=6)
    with monkeypatch.context() as patch:
        patch.setattr(tasks, "align", lambda job: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            classify_share(config, "1/1", report=nothing)
    job = Job.open(tmp_path / "release.partial")
    record = record_file(job.file("measure", 4))
    record.write_text(json.dumps(json.loads(record.read_text()) | {"source": "0" * 64}))
    classify_share(config, "1/1", report=nothing)
    assert read_record(job.file("measure", 4)).source == job.digest
    merge_shares(config)
    assert release_digests(tmp_path / "release") == release_digests(release)


def test_damaged_table_of_the_sun_is_found_by_merge_with_all_that_may_have_read_it(
    shared_out, release, tmp_path, monkeypatch
):
    job = Job.open(tmp_path / "release.partial")
    flip(job.aligned_file, 1000)
    with pytest.raises(CropSetError, match=r"aligned.arrow has the digest .*is made anew"):
        merge_shares(shared_out)
    made = []
    work = tasks._classify
    monkeypatch.setattr(tasks, "_classify", lambda j, n, d: made.append(n) or work(j, n, d))
    classify_share(shared_out, "1/1", report=nothing)
    assert made == [0, 1, 2, 3, 4, 5]
    merge_shares(shared_out)
    assert release_digests(tmp_path / "release") == release_digests(release)


def test_share_reads_again_only_its_own_shards_and_merge_all(
    shared_out, moon, tmp_path, monkeypatch
):
    read = []
    digest = files.digest

    def noting(path):
        read.append(path.name)
        return digest(path)

    monkeypatch.setattr(files, "digest", noting)
    monkeypatch.setattr("serving.batch.job.digest", noting)
    classify_share(shared_out, "2/3", report=nothing)
    assert read == ["00001.parquet", "00004.parquet"]
    merge_shares(shared_out)
    shards = {f"0000{n}.parquet" for n in range(6)}
    assert shards | {"aligned.arrow", "craters.arrow", "rejected.csv"} <= set(read)


def test_shares_that_wait_for_the_sun_find_it_once(
    moon, bundle_folder, tmp_path, monkeypatch, shared_out
):
    """A share that began before the Sun was known, and comes to it when another has found it."""
    begun = stages.begin_share(shared_out)._replace(is_aligned=False)
    monkeypatch.setattr(tasks, "align", None)  # would fail if called
    stages.align(begun, False)


def test_file_without_a_record_is_left_to_who_writes_it(shared_out, tmp_path):
    job = Job.open(tmp_path / "release.partial")
    file = job.file("classify", 1)
    record_file(file).unlink()
    assert merge.forget_damaged(job, "classify", [0, 1, 2]) == [1]
    assert file.exists()


def test_records_of_former_versions_are_refused_by_name(tmp_path):
    file = tmp_path / "00000.parquet"
    record_file(file).write_text(json.dumps({"sha256": "0", "rows": 1}))
    with pytest.raises(CropSetError, match=r"00000.parquet.json is damaged .*source.*; delete it"):
        read_record(file)
    assert Record("0", 1, "s").rejected == []


def test_merge_without_work_plans_nothing(moon, bundle_folder, tmp_path):
    config = job_config(moon, bundle_folder, tmp_path / "release")
    with pytest.raises(CropSetError, match=r"neither a release .* nor unfinished work .*run class"):
        merge_shares(config)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("there", [True, False])
def test_output_that_is_a_link_is_followed(moon, bundle_folder, release, tmp_path, there):
    disk = tmp_path / "disk"
    disk.mkdir()
    if there:
        (disk / "big").mkdir()
    (tmp_path / "release").symlink_to(disk / "big")
    config = job_config(moon, bundle_folder, tmp_path / "release", shards=2)
    classify_share(config, "1/1", report=nothing)
    assert [path.name for path in tmp_path.glob("*.partial")] == []  # not beside the link
    merge_shares(config)
    assert (tmp_path / "release").is_symlink()
    assert release_digests(disk / "big") == release_digests(release)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_file_system_without_locks_is_told(tmp_path, monkeypatch, number):
    def refuse(file, kind):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(files.fcntl, "flock", refuse)
    for hold in (files.locked(tmp_path, alone=True), files.waited_for(tmp_path / "a.lock")):
        with pytest.raises(CropSetError, match=r"has no locks .*Lustre: -o flock"), hold:
            pass


def test_driver_imports_neither_encoders_nor_maps():
    """They would stay in its memory, beside those of its workers."""
    heavy = {"torch", "numba", "rasterio", "geopandas", "pandas", "numpy", "pyarrow", "mlflow"}
    code = f"import sys, serving.cli.batch; print(set({sorted(heavy)}) & sys.modules.keys())"
    root = Path(__file__).parents[2]
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "set()"
