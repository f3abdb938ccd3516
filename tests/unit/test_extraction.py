"""Making crop sets: same bytes whatever happens on the way, clear errors, nothing half-made."""

import contextlib
import errno
import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
from planted_moon import SPHERE, disc, global_transform, write_array, write_mosaic

from lunar_models import crops_file, workfolder
from lunar_models.config.preprocess import PreprocessConfig
from lunar_models.crops import METADATA_COLUMNS, CropSet
from lunar_models.errors import CatalogueError, CropSetError, LunarModelsError, MosaicError
from lunar_models.extraction import extract_crop, make_crop_set

GEOGRAPHIC = f"+proj=longlat {SPHERE.replace('+units=m ', '')}"
WIDTH = 4096


@pytest.fixture(scope="module")
def moon(tmp_path_factory):
    """A global mosaic of noise (eight strips of rows) and a catalogue all over it."""
    folder = tmp_path_factory.mktemp("moon")
    generator = np.random.default_rng(3)
    values = generator.integers(40, 200, (WIDTH // 2, WIDTH)).astype(np.uint8)
    write_array(folder / "mosaic.tif", values, crs=GEOGRAPHIC, transform=global_transform(WIDTH))
    count = 300
    catalogue = pd.DataFrame(
        {
            "crater_id": [f"C{n}" for n in range(count)],
            "longitude_deg": generator.uniform(-180, 180, count),
            "latitude_deg": np.degrees(np.arcsin(generator.uniform(-1, 1, count))),
            "diameter_km": np.exp(generator.uniform(np.log(20), np.log(600), count)),
        }
    )
    catalogue.to_csv(folder / "craters.csv", index=False)
    return folder


def config(moon, output, **settings):
    return PreprocessConfig(
        **{
            "mosaic": (str(moon / "mosaic.tif"),),
            "catalogue": str(moon / "craters.csv"),
            "output": str(output),
            "crop_size_px": 16,
            **settings,
        }
    )


def file_digests(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}


@pytest.fixture(scope="module")
def reference(moon, tmp_path_factory):
    return make_crop_set(config(moon, tmp_path_factory.mktemp("reference") / "crops", workers=1))


def test_crop_set_is_complete(reference):
    assert reference.crops.shape == (len(reference), 16, 16)
    assert tuple(reference.metadata.columns) == METADATA_COLUMNS
    assert reference.metadata["crater_id"].is_unique
    assert len(reference) + len(reference.rejected) == 300
    assert reference.info.radiometry.source_dtype == "uint8"
    assert sorted(p.name for p in reference.path.iterdir()) == [
        "crop_set.json",
        "crops.npy",
        "metadata.parquet",
        "rejected.csv",
    ]
    means = reference.crops.reshape(len(reference), -1).mean(axis=1)
    assert np.abs(means - reference.metadata["mean_brightness"]).max() < 0.6
    assert reference.info.normalisation["kind"] == "ratio"
    assert list(reference.info.sources) == [
        reference.info.preprocess["catalogue"],
        *reference.info.preprocess["mosaic"],
    ]


def test_every_crop_is_that_of_its_crater(moon, reference):
    mosaic = moon / "mosaic.tif"
    rows = reference.metadata.sample(25, random_state=0)
    for position, row in rows.iterrows():
        crop = extract_crop(
            mosaic,
            longitude_deg=row["longitude_deg"],
            latitude_deg=row["latitude_deg"],
            diameter_km=row["diameter_km"],
            crop_size_px=16,
        )
        stored = reference.crops[position]
        np.testing.assert_array_equal(crop[:, ::-1] if row["flipped"] else crop, stored)


def test_bytes_do_not_depend_on_workers(moon, reference, tmp_path):
    made = make_crop_set(config(moon, tmp_path / "crops", workers=5))
    assert file_digests(made.path) == file_digests(reference.path)


class Killed(BaseException):
    """Stands for the process being killed: no handler may catch it."""


@pytest.fixture(scope="module")
def thinned(moon, tmp_path_factory):
    """A set from which crops were dropped after sampling, in pieces of ten crops."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crops_file, "PIECE_BYTES", 2560)
        return make_crop_set(config(moon, tmp_path_factory.mktemp("thinned") / "crops", **STRICT))


STRICT = {"max_overlap_larger": 0.5, "workers": 2}


@pytest.mark.parametrize("after", [*range(0, 40, 4), *range(40, 400, 30)])
def test_killed_and_resumed_gives_the_same_bytes(moon, thinned, tmp_path, monkeypatch, after):
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
            make_crop_set(config(moon, tmp_path / "crops", **STRICT))
    if calls["left"] < 0:
        assert not (tmp_path / "crops").exists()
    made = make_crop_set(config(moon, tmp_path / "crops", **STRICT))
    assert file_digests(made.path) == file_digests(thinned.path)
    assert not (tmp_path / "crops.partial").exists()


def test_dropped_crops_leave_no_trace(reference, thinned):
    every = reference.metadata.reset_index().set_index("crater_id")["index"]
    rows = thinned.metadata
    assert 0 < len(thinned) < len(reference)
    same = rows["flipped"].to_numpy() == reference.metadata["flipped"][every[rows["crater_id"]]]
    expected = reference.crops[every[rows["crater_id"]]].copy()
    expected[~same] = expected[~same][:, :, ::-1]
    np.testing.assert_array_equal(thinned.crops, expected)
    dropped = thinned.rejected["reason"] == "overlap_larger above 0.5"
    assert dropped.sum() == len(reference) - len(thinned)


def test_resuming_does_not_sample_again(moon, reference, tmp_path, monkeypatch):
    real = workfolder.WorkFolder.publish
    monkeypatch.setattr(
        workfolder.WorkFolder, "publish", lambda self: (_ for _ in ()).throw(Killed())
    )
    with pytest.raises(Killed):
        make_crop_set(config(moon, tmp_path / "crops"))
    monkeypatch.setattr(workfolder.WorkFolder, "publish", real)
    monkeypatch.setattr("lunar_models.extraction.sample_crops", None)  # would fail if called
    made = make_crop_set(config(moon, tmp_path / "crops"))
    assert file_digests(made.path) == file_digests(reference.path)


def test_finished_set_is_returned_and_another_one_refused(moon, reference, monkeypatch):
    monkeypatch.setattr("lunar_models.extraction.plan_job", None)
    again = make_crop_set(config(moon, reference.path, workers=2))
    assert again.info == reference.info
    with pytest.raises(CropSetError, match=r"another crop_size_px.*=16, now 24.*Delete it"):
        make_crop_set(config(moon, reference.path, crop_size_px=24))


def test_changed_source_is_refused(moon, tmp_path):
    catalogue = tmp_path / "craters.csv"
    catalogue.write_bytes((moon / "craters.csv").read_bytes())
    settings = {"catalogue": str(catalogue), "limit": 5}
    make_crop_set(config(moon, tmp_path / "crops", **settings))
    catalogue.write_text(catalogue.read_text() + "C999,0,0,30\n")
    with pytest.raises(CropSetError, match="other files"):
        make_crop_set(config(moon, tmp_path / "crops", **settings))


def test_output_that_is_no_crop_set_is_left_alone(moon, tmp_path):
    (tmp_path / "crops").mkdir()
    (tmp_path / "crops" / "thesis.txt").write_text("precious")
    with pytest.raises(CropSetError, match="not a finished crop set"):
        make_crop_set(config(moon, tmp_path / "crops"))
    assert (tmp_path / "crops" / "thesis.txt").read_text() == "precious"


@pytest.mark.parametrize("name", ["pwrite", "posix_fallocate"])
def test_full_disk_is_a_clear_error(moon, tmp_path, monkeypatch, name):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, name, full)
    with pytest.raises(CropSetError, match=r"No space left on device.*Free some space"):
        make_crop_set(config(moon, tmp_path / "crops"))
    assert not (tmp_path / "crops").exists()


@pytest.mark.parametrize("profile", [{}, {"tiled": True, "compress": "deflate"}])
def test_truncated_mosaic_is_a_clear_error(moon, tmp_path, profile):
    with rasterio.open(moon / "mosaic.tif") as source:
        path = write_array(
            tmp_path / "short.tif",
            source.read(1),
            crs=GEOGRAPHIC,
            transform=source.transform,
            **profile,
        )
    os.truncate(path, path.stat().st_size * 2 // 3)
    with pytest.raises(MosaicError, match=r"short\.tif"):
        make_crop_set(config(moon, tmp_path / "crops", mosaic=(str(path),)))
    assert not (tmp_path / "crops").exists()


@pytest.mark.parametrize("harm", ["truncate", "unlink"])
def test_mosaic_harmed_while_it_is_read(moon, tmp_path, monkeypatch, harm):
    path = tmp_path / "victim.tif"
    path.write_bytes((moon / "mosaic.tif").read_bytes())

    def strike(done, total):
        if done and path.exists():
            os.truncate(path, 3_000_000) if harm == "truncate" else os.unlink(path)

    with pytest.raises(MosaicError, match=r"victim\.tif"):
        make_crop_set(config(moon, tmp_path / "crops", mosaic=(str(path),)), progress=strike)
    assert not (tmp_path / "crops").exists()


def test_vanished_mosaic_is_a_clear_error(moon, tmp_path):
    with pytest.raises(MosaicError, match=r"gone\.tif"):
        make_crop_set(config(moon, tmp_path / "crops", mosaic=(str(tmp_path / "gone.tif"),)))


def test_catalogue_wholly_outside_the_mosaic(moon, tmp_path):
    path = write_mosaic(
        tmp_path / "small.tif",
        disc(0, 0, 10),
        crs=GEOGRAPHIC,
        transform=rasterio.Affine(0.01, 0, 40, 0, -0.01, 20),
        shape=(64, 64),
    )
    (tmp_path / "far.csv").write_text(
        "crater_id,longitude_deg,latitude_deg,diameter_km\nA,-100,-60,5\n"
    )
    with pytest.raises(CatalogueError, match=r"lies outside the mosaic.*reference system"):
        make_crop_set(
            config(moon, tmp_path / "c", mosaic=(str(path),), catalogue=str(tmp_path / "far.csv"))
        )


def test_thresholds_reject_with_reasons(moon, tmp_path, reference):
    made = make_crop_set(
        config(moon, tmp_path / "crops", max_overlap_larger=0.5, min_native_px=20.0, limit=200)
    )
    assert made.metadata["overlap_larger"].max() <= 0.5
    assert made.metadata["native_px"].min() >= 20.0
    reasons = made.rejected["reason"].value_counts()
    assert reasons["overlap_larger above 0.5"] > 0
    assert reasons["native_px is below 20.0"] > 0
    assert len(made) + len(made.rejected) == 300


def test_nodata_is_masked_counted_and_filled(moon, tmp_path):
    with rasterio.open(moon / "mosaic.tif") as source:
        values, transform = source.read(1), source.transform
    values[:, : WIDTH // 2] = 0
    values[: WIDTH // 4, WIDTH // 2 :] = 100
    path = write_array(tmp_path / "half.tif", values, crs=GEOGRAPHIC, transform=transform, nodata=0)
    (tmp_path / "edge.csv").write_text(
        "crater_id,longitude_deg,latitude_deg,diameter_km\nedge,0,40,200\nfull,90,40,200\n"
        "empty,-90,40,200\n"
    )
    made = make_crop_set(
        config(
            moon,
            tmp_path / "c",
            mosaic=(str(path),),
            catalogue=str(tmp_path / "edge.csv"),
            min_valid_fraction=0.3,
            illumination="none",
        )
    )
    table = made.metadata.set_index("crater_id")
    assert table.loc["full", "valid_fraction"] == 1.0
    assert table.loc["edge", "valid_fraction"] == pytest.approx(0.5, abs=0.04)
    assert (made.crops == 100).all()  # the gap holds the mean of the rest
    assert made.rejected.set_index("crater_id").loc["empty", "reason"] == (
        "the mosaic has no data there"
    )


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32"])
def test_other_types_are_scaled_by_recorded_percentiles(moon, tmp_path, reference, dtype):
    with rasterio.open(moon / "mosaic.tif") as source:
        values, transform = source.read(1), source.transform
    scaled = (values.astype(np.float64) * 37.0 - 2000.0 * (dtype != "uint16")).astype(dtype)
    path = write_array(tmp_path / "deep.tif", scaled, crs=GEOGRAPHIC, transform=transform)
    made = make_crop_set(config(moon, tmp_path / "c", mosaic=(str(path),), limit=40))
    radiometry = made.info.radiometry
    assert radiometry.source_dtype == dtype
    np.testing.assert_allclose(
        [radiometry.low, radiometry.high], np.percentile(scaled, [0.1, 99.9]), rtol=0.02, atol=40
    )
    plain = reference.metadata.set_index("crater_id")["mean_brightness"]
    mean = made.metadata.set_index("crater_id")["mean_brightness"]
    back = (mean / 255 * (radiometry.high - radiometry.low) + radiometry.low) / 37.0
    back += 2000.0 / 37.0 * (dtype != "uint16")
    assert np.abs(back - plain[back.index]).max() < 1.0


def test_several_mosaics_each_crater_from_the_best(moon, tmp_path):
    """A polar map lit differently tells from which mosaic a crop came."""
    polar = f"+proj=stere +lat_0=90 +lon_0=0 {SPHERE}"
    path = write_mosaic(
        tmp_path / "polar.tif",
        lambda longitude, latitude: np.full(np.shape(latitude), 250.0),
        crs=polar,
        transform=rasterio.Affine(2000, 0, -400_000, 0, -2000, 400_000),
        shape=(400, 400),
    )
    mosaics = (str(moon / "mosaic.tif"), str(path))
    made = make_crop_set(config(moon, tmp_path / "c", mosaic=mosaics, diameter_max_km=80.0))
    table = made.metadata
    from_polar = table["mean_brightness"] > 240
    assert from_polar[table["latitude_deg"] > 80].all()
    assert not from_polar[table["latitude_deg"] < 70].any()


def test_mosaic_without_data_there_is_not_chosen(moon, tmp_path):
    """The first, equally fine mosaic is empty in the east: craters there are the second's."""
    with rasterio.open(moon / "mosaic.tif") as source:
        values, transform = source.read(1), source.transform
    values[:, : WIDTH // 2], values[:, WIDTH // 2 :] = 100, 0
    paths = [
        write_array(tmp_path / "west.tif", values, crs=GEOGRAPHIC, transform=transform, nodata=0),
        write_array(
            tmp_path / "all.tif", np.full_like(values, 200), crs=GEOGRAPHIC, transform=transform
        ),
    ]
    mosaics = tuple(str(path) for path in paths)
    made = make_crop_set(config(moon, tmp_path / "c", mosaic=mosaics, diameter_max_km=60.0))
    table = made.metadata[made.metadata["latitude_deg"].abs() < 70]
    table = table[(table["longitude_deg"].abs() - 90).abs() < 80]
    means = np.where(table["longitude_deg"] < 0, 100, 200)
    np.testing.assert_allclose(table["mean_brightness"], means, atol=0.5)


@pytest.mark.parametrize("setting", ["east", "west", "none"])
def test_sun_side_can_be_given(moon, tmp_path, setting):
    made = make_crop_set(config(moon, tmp_path / "c", illumination=setting, limit=20))
    assert (made.metadata["flipped"] == (setting == "west")).all()
    confidence = 0.5 if setting == "none" else 1.0
    assert (made.metadata["illumination_confidence"] == confidence).all()


def test_digest_tells_crop_sets_apart(moon, reference, tmp_path):
    other = make_crop_set(config(moon, tmp_path / "c", illumination="west"))
    assert other.info.digest != reference.info.digest
    info = json.loads((other.path / "crop_set.json").read_text())
    assert info["digest"] == CropSet.open(other.path).info.digest


def test_errors_are_ours(moon, tmp_path):
    for broken in ({"catalogue": str(tmp_path / "none.csv")}, {"diameter_min_km": 3000.0}):
        with pytest.raises(LunarModelsError):
            make_crop_set(config(moon, tmp_path / "c", **broken))
