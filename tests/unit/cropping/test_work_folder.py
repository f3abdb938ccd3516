"""A crop set ends with the same bytes whatever happens on the way, or with a clear error."""

import contextlib
import errno
import os

import numpy as np
import pytest
import rasterio
from planted_moon import (
    GEOGRAPHIC,
    crop_config,
    file_digests,
    write_array,
)

from lunar_models.cropping.extraction import make_crop_set
from lunar_models.cropping.storage import crops_file, work_folder
from lunar_models.errors import CropSetError, MosaicError


class Killed(BaseException):
    """Stands for the process being killed: no handler may catch it."""


@pytest.fixture(scope="module")
def thinned(noise_moon, tmp_path_factory):
    """A set from which crops were dropped after sampling, in pieces of ten crops."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crops_file, "PIECE_BYTES", 2560)
        return make_crop_set(
            crop_config(noise_moon, tmp_path_factory.mktemp("thinned") / "crops", **STRICT)
        )


STRICT = {"max_overlap_larger": 0.5, "workers": 2}


@pytest.mark.parametrize("after", [*range(0, 40, 4), *range(40, 400, 30)])
def test_killed_and_resumed_gives_the_same_bytes(noise_moon, thinned, tmp_path, monkeypatch, after):
    """Killed after any number of operations on files, in the middle of a write where it is one."""
    monkeypatch.setattr(crops_file, "PIECE_BYTES", 2560)
    calls = {"left": after}

    def dying(name, function):
        def call(*arguments, **keywords):
            calls["left"] -= 1
            if calls["left"] < 0:
                if name == "pwrite":
                    descriptor, data, offset = arguments
                    function(descriptor, data[: len(data) // 2], offset)
                raise Killed
            return function(*arguments, **keywords)

        return call

    with monkeypatch.context() as patch:
        for name in ("pwrite", "replace", "unlink", "posix_fallocate"):
            patch.setattr(os, name, dying(name, getattr(os, name)))
        with contextlib.suppress(Killed):
            make_crop_set(crop_config(noise_moon, tmp_path / "crops", **STRICT))
    if calls["left"] < 0:
        assert not (tmp_path / "crops").exists()
    made = make_crop_set(crop_config(noise_moon, tmp_path / "crops", **STRICT))
    assert file_digests(made.path) == file_digests(thinned.path)
    assert not (tmp_path / "crops.partial").exists()


def test_dropped_crops_leave_no_trace(noise_crops, thinned):
    every = noise_crops.metadata.reset_index().set_index("crater_id")["index"]
    rows = thinned.metadata
    assert 0 < len(thinned) < len(noise_crops)
    same = rows["flipped"].to_numpy() == noise_crops.metadata["flipped"][every[rows["crater_id"]]]
    expected = noise_crops.crops[every[rows["crater_id"]]].copy()
    expected[~same] = expected[~same][:, :, ::-1]
    np.testing.assert_array_equal(thinned.crops, expected)
    dropped = thinned.rejected["reason"] == "overlap_larger above 0.5"
    assert dropped.sum() == len(noise_crops) - len(thinned)


def test_resuming_does_not_sample_again(noise_moon, noise_crops, tmp_path, monkeypatch):
    real = work_folder.WorkFolder.publish
    monkeypatch.setattr(
        work_folder.WorkFolder, "publish", lambda self: (_ for _ in ()).throw(Killed())
    )
    with pytest.raises(Killed):
        make_crop_set(crop_config(noise_moon, tmp_path / "crops"))
    monkeypatch.setattr(work_folder.WorkFolder, "publish", real)
    monkeypatch.setattr(
        "lunar_models.cropping.extraction.sample_crops", None
    )  # would fail if called
    made = make_crop_set(crop_config(noise_moon, tmp_path / "crops"))
    assert file_digests(made.path) == file_digests(noise_crops.path)


def test_finished_set_is_returned_and_another_one_refused(noise_moon, noise_crops, monkeypatch):
    monkeypatch.setattr("lunar_models.cropping.extraction.plan_crops", None)
    again = make_crop_set(crop_config(noise_moon, noise_crops.path, workers=2))
    assert again.info == noise_crops.info
    with pytest.raises(CropSetError, match=r"another crop_size_px.*=16, now 24.*Delete it"):
        make_crop_set(crop_config(noise_moon, noise_crops.path, crop_size_px=24))


def test_changed_source_is_refused(noise_moon, tmp_path):
    catalogue = tmp_path / "craters.csv"
    catalogue.write_bytes((noise_moon / "craters.csv").read_bytes())
    settings = {"catalogue": str(catalogue), "limit": 5}
    make_crop_set(crop_config(noise_moon, tmp_path / "crops", **settings))
    catalogue.write_text(catalogue.read_text() + "C999,0,0,30\n")
    with pytest.raises(CropSetError, match="other files"):
        make_crop_set(crop_config(noise_moon, tmp_path / "crops", **settings))


def test_output_that_is_no_crop_set_is_left_alone(noise_moon, tmp_path):
    (tmp_path / "crops").mkdir()
    (tmp_path / "crops" / "thesis.txt").write_text("precious")
    with pytest.raises(CropSetError, match="not a finished crop set"):
        make_crop_set(crop_config(noise_moon, tmp_path / "crops"))
    assert (tmp_path / "crops" / "thesis.txt").read_text() == "precious"


@pytest.mark.parametrize("name", ["pwrite", "posix_fallocate"])
def test_full_disk_is_a_clear_error(noise_moon, tmp_path, monkeypatch, name):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, name, full)
    with pytest.raises(CropSetError, match=r"No space left on device.*Free some space"):
        make_crop_set(crop_config(noise_moon, tmp_path / "crops"))
    assert not (tmp_path / "crops").exists()


def test_crops_do_not_depend_on_reserving_space(noise_moon, tmp_path, monkeypatch):
    """macOS has no posix_fallocate."""
    expected = make_crop_set(crop_config(noise_moon, tmp_path / "linux"))
    monkeypatch.delattr(os, "posix_fallocate")
    found = make_crop_set(crop_config(noise_moon, tmp_path / "macos"))
    assert found.info.digest == expected.info.digest


@pytest.mark.parametrize("profile", [{}, {"tiled": True, "compress": "deflate"}])
def test_truncated_mosaic_is_a_clear_error(noise_moon, tmp_path, profile):
    with rasterio.open(noise_moon / "mosaic.tif") as source:
        path = write_array(
            tmp_path / "short.tif",
            source.read(1),
            crs=GEOGRAPHIC,
            transform=source.transform,
            **profile,
        )
    os.truncate(path, path.stat().st_size * 2 // 3)
    with pytest.raises(MosaicError, match=r"short\.tif"):
        make_crop_set(crop_config(noise_moon, tmp_path / "crops", mosaic=(str(path),)))
    assert not (tmp_path / "crops").exists()


@pytest.mark.parametrize("harm", ["truncate", "unlink"])
def test_mosaic_harmed_while_it_is_read(noise_moon, tmp_path, monkeypatch, harm):
    path = tmp_path / "victim.tif"
    path.write_bytes((noise_moon / "mosaic.tif").read_bytes())

    def strike(done, total):
        if done and path.exists():
            os.truncate(path, 3_000_000) if harm == "truncate" else os.unlink(path)

    with pytest.raises(MosaicError, match=r"victim\.tif"):
        make_crop_set(
            crop_config(noise_moon, tmp_path / "crops", mosaic=(str(path),)), progress=strike
        )
    assert not (tmp_path / "crops").exists()


def test_vanished_mosaic_is_a_clear_error(noise_moon, tmp_path):
    with pytest.raises(MosaicError, match=r"gone\.tif"):
        make_crop_set(
            crop_config(noise_moon, tmp_path / "crops", mosaic=(str(tmp_path / "gone.tif"),))
        )
