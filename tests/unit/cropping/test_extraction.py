"""What a crop set holds: the right crops, columns, reasons and digests."""

import json

import numpy as np
import pytest
import rasterio
from planted_moon import (
    GEOGRAPHIC,
    SPHERE,
    crop_config,
    disc,
    file_digests,
    write_array,
    write_mosaic,
)

from lunar_models.cropping.extraction import make_crop_set
from lunar_models.cropping.single import extract_crop
from lunar_models.crops.crop_set import METADATA_COLUMNS, CropSet
from lunar_models.errors import CatalogueError, LunarModelsError

WIDTH = 4096


def test_crop_set_is_complete(noise_crops):
    assert noise_crops.crops.shape == (len(noise_crops), 16, 16)
    assert tuple(noise_crops.metadata.columns) == METADATA_COLUMNS
    assert noise_crops.metadata["crater_id"].is_unique
    assert len(noise_crops) + len(noise_crops.rejected) == 300
    assert noise_crops.info.radiometry.source_dtype == "uint8"
    assert sorted(p.name for p in noise_crops.path.iterdir()) == [
        "crop_set.json",
        "crops.npy",
        "digests.json",
        "metadata.parquet",
        "rejected.csv",
    ]
    means = noise_crops.crops.reshape(len(noise_crops), -1).mean(axis=1)
    assert np.abs(means - noise_crops.metadata["mean_brightness"]).max() < 0.6
    assert noise_crops.info.normalisation["kind"] == "ratio"
    assert list(noise_crops.info.sources) == [
        noise_crops.info.preprocess["catalogue"],
        *noise_crops.info.preprocess["mosaic"],
    ]


def test_every_crop_is_that_of_its_crater(noise_moon, noise_crops):
    mosaic = noise_moon / "mosaic.tif"
    rows = noise_crops.metadata.sample(25, random_state=0)
    for position, row in rows.iterrows():
        crop = extract_crop(
            mosaic,
            longitude_deg=row["longitude_deg"],
            latitude_deg=row["latitude_deg"],
            diameter_km=row["diameter_km"],
            crop_size_px=16,
        )
        stored = noise_crops.crops[position]
        np.testing.assert_array_equal(crop[:, ::-1] if row["flipped"] else crop, stored)


def test_bytes_do_not_depend_on_workers(noise_moon, noise_crops, tmp_path):
    made = make_crop_set(crop_config(noise_moon, tmp_path / "crops", workers=5))
    assert file_digests(made.path) == file_digests(noise_crops.path)


def test_catalogue_wholly_outside_the_mosaic(noise_moon, tmp_path):
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
            crop_config(
                noise_moon, tmp_path / "c", mosaic=(str(path),), catalogue=str(tmp_path / "far.csv")
            )
        )


def test_thresholds_reject_with_reasons(noise_moon, tmp_path, noise_crops):
    made = make_crop_set(
        crop_config(
            noise_moon, tmp_path / "crops", max_overlap_larger=0.5, min_native_px=20.0, limit=200
        )
    )
    assert made.metadata["overlap_larger"].max() <= 0.5
    assert made.metadata["native_px"].min() >= 20.0
    reasons = made.rejected["reason"].value_counts()
    assert reasons["overlap_larger above 0.5"] > 0
    assert reasons["native_px is below 20.0"] > 0
    assert len(made) + len(made.rejected) == 300


def test_nodata_is_masked_counted_and_filled(noise_moon, tmp_path):
    with rasterio.open(noise_moon / "mosaic.tif") as source:
        values, transform = source.read(1), source.transform
    values[:, : WIDTH // 2] = 0
    values[: WIDTH // 4, WIDTH // 2 :] = 100
    path = write_array(tmp_path / "half.tif", values, crs=GEOGRAPHIC, transform=transform, nodata=0)
    (tmp_path / "edge.csv").write_text(
        "crater_id,longitude_deg,latitude_deg,diameter_km\nedge,0,40,200\nfull,90,40,200\n"
        "empty,-90,40,200\n"
    )
    made = make_crop_set(
        crop_config(
            noise_moon,
            tmp_path / "c",
            mosaic=(str(path),),
            catalogue=str(tmp_path / "edge.csv"),
            min_valid_fraction=0.3,
            min_contrast=0.0,
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
def test_other_types_are_scaled_by_recorded_percentiles(noise_moon, tmp_path, noise_crops, dtype):
    with rasterio.open(noise_moon / "mosaic.tif") as source:
        values, transform = source.read(1), source.transform
    scaled = (values.astype(np.float64) * 37.0 - 2000.0 * (dtype != "uint16")).astype(dtype)
    path = write_array(tmp_path / "deep.tif", scaled, crs=GEOGRAPHIC, transform=transform)
    made = make_crop_set(crop_config(noise_moon, tmp_path / "c", mosaic=(str(path),), limit=40))
    radiometry = made.info.radiometry
    assert radiometry.source_dtype == dtype
    np.testing.assert_allclose(
        [radiometry.low, radiometry.high], np.percentile(scaled, [0.1, 99.9]), rtol=0.02, atol=40
    )
    plain = noise_crops.metadata.set_index("crater_id")["mean_brightness"]
    mean = made.metadata.set_index("crater_id")["mean_brightness"]
    back = (mean / 255 * (radiometry.high - radiometry.low) + radiometry.low) / 37.0
    back += 2000.0 / 37.0 * (dtype != "uint16")
    assert np.abs(back - plain[back.index]).max() < 1.0


def test_several_mosaics_each_crater_from_the_best(noise_moon, tmp_path):
    """A polar map lit differently tells from which mosaic a crop came."""
    polar = f"+proj=stere +lat_0=90 +lon_0=0 {SPHERE}"
    path = write_mosaic(
        tmp_path / "polar.tif",
        lambda longitude, latitude: np.full(np.shape(latitude), 250.0),
        crs=polar,
        transform=rasterio.Affine(2000, 0, -400_000, 0, -2000, 400_000),
        shape=(400, 400),
    )
    mosaics = (str(noise_moon / "mosaic.tif"), str(path))
    made = make_crop_set(
        crop_config(noise_moon, tmp_path / "c", mosaic=mosaics, diameter_max_km=80.0)
    )
    table = made.metadata
    from_polar = table["mean_brightness"] > 240
    assert from_polar[table["latitude_deg"] > 80].all()
    assert not from_polar[table["latitude_deg"] < 70].any()


def test_mosaic_without_data_there_is_not_chosen(noise_moon, tmp_path):
    """The first, equally fine mosaic is empty in the east: craters there are the second's."""
    with rasterio.open(noise_moon / "mosaic.tif") as source:
        values, transform = source.read(1), source.transform
    values[:, : WIDTH // 2], values[:, WIDTH // 2 :] = 100, 0
    paths = [
        write_array(tmp_path / "west.tif", values, crs=GEOGRAPHIC, transform=transform, nodata=0),
        write_array(
            tmp_path / "all.tif", np.full_like(values, 200), crs=GEOGRAPHIC, transform=transform
        ),
    ]
    mosaics = tuple(str(path) for path in paths)
    made = make_crop_set(
        crop_config(
            noise_moon, tmp_path / "c", mosaic=mosaics, diameter_max_km=60.0, min_contrast=0.0
        )
    )
    table = made.metadata[made.metadata["latitude_deg"].abs() < 70]
    table = table[(table["longitude_deg"].abs() - 90).abs() < 80]
    means = np.where(table["longitude_deg"] < 0, 100, 200)
    np.testing.assert_allclose(table["mean_brightness"], means, atol=0.5)


@pytest.mark.parametrize("setting", ["east", "west", "none"])
def test_sun_side_can_be_given(noise_moon, tmp_path, setting):
    made = make_crop_set(crop_config(noise_moon, tmp_path / "c", illumination=setting, limit=20))
    assert (made.metadata["flipped"] == (setting == "west")).all()
    confidence = 0.5 if setting == "none" else 1.0
    assert (made.metadata["illumination_confidence"] == confidence).all()


def test_digest_tells_crop_sets_apart(noise_moon, noise_crops, tmp_path):
    other = make_crop_set(crop_config(noise_moon, tmp_path / "c", illumination="west"))
    assert other.info.digest != noise_crops.info.digest
    info = json.loads((other.path / "crop_set.json").read_text())
    assert info["digest"] == CropSet.open(other.path).info.digest


def test_errors_are_ours(noise_moon, tmp_path):
    for broken in ({"catalogue": str(tmp_path / "none.csv")}, {"diameter_min_km": 3000.0}):
        with pytest.raises(LunarModelsError):
            make_crop_set(crop_config(noise_moon, tmp_path / "c", **broken))
