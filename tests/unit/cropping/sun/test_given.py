"""Azimuths and incidences that are given, against hand-made tables and maps."""

import geopandas
import numpy as np
import pandas as pd
import pytest
import rasterio
from planted_moon import crop_config
from shapely.geometry import box

from lunar_models.config.preprocess import PreprocessConfig
from lunar_models.cropping.extraction import make_crop_set
from lunar_models.cropping.sun.given import given_incidence, given_sun
from lunar_models.errors import CatalogueError, ConfigError, MosaicError

POLAR = "+proj=stere +lat_0=90 +lon_0=0 +R=1737400 +units=m +no_defs +type=crs"


def config(**settings):
    return PreprocessConfig(mosaic=("m.tif",), catalogue="c.csv", **settings)


def craters(**columns):
    table = pd.DataFrame(
        {
            "crater_id": ["a", "b", "c"],
            "longitude_deg": [10.0, -30.0, 170.0],
            "latitude_deg": [0.0, 60.0, -80.0],
            "diameter_km": 5.0,
        }
    )
    return table.assign(**columns)


def test_a_constant_and_a_column():
    sun = given_sun(config(illumination="azimuth", sun_azimuth_deg=135.0), craters())
    assert sun["sun_azimuth_deg"].tolist() == [135.0] * 3
    assert sun["rotation_deg"].tolist() == [-45.0] * 3
    sun = given_sun(config(illumination="azimuth"), craters(sun_azimuth_deg=[90, -45.0, np.nan]))
    assert sun["sun_azimuth_deg"].tolist()[:2] == [90.0, 315.0]
    assert sun["rotation_deg"].tolist() == [0, -45, 0]
    assert sun["flipped"].tolist() == [False, True, False]
    assert sun["illumination_confidence"].tolist() == [1, 1, 0]
    assert np.isnan(sun["sun_azimuth_deg"][2])


def test_sub_solar_columns_give_azimuth_and_incidence():
    table = craters(
        sub_solar_longitude_deg=[70.0, -30.0, 170.0], sub_solar_latitude_deg=[0.0, 1.5, -1.5]
    )
    sun = given_sun(config(illumination="sub_solar"), table)
    np.testing.assert_allclose(sun["sun_azimuth_deg"], [90, 180, 0], atol=1e-4)
    np.testing.assert_allclose(sun["incidence_deg"], [60, 58.5, 78.5], atol=1e-4)
    constant = config(
        illumination="sub_solar", sub_solar_longitude_deg=70.0, sub_solar_latitude_deg=0.0
    )
    assert given_sun(constant, craters())["incidence_deg"][0] == pytest.approx(60)


def test_incidence_of_the_catalogue_goes_before_an_estimate():
    table = craters(incidence_deg=[65.0, 70.0, np.nan], sun_azimuth_deg=[90.0, 120.0, 20.0])
    sun = given_sun(config(illumination="azimuth"), table)
    assert sun["incidence_deg"][:2].tolist() == [65.0, 70.0]
    assert sun["incidence_deg"][2] == pytest.approx(
        np.degrees(np.arctan(np.tan(np.radians(80)) / np.cos(np.radians(20)))), abs=1e-3
    )
    assert given_incidence(config(incidence_deg=55.0), table).tolist() == [55.0] * 3


def test_raster_of_azimuths(tmp_path):
    values = np.full((180, 360), -9999.0, np.float32)
    values[:, 180:] = 100.0  # east of longitude 0
    values[:60, :180] = 200.0  # north of 30 degrees, in the west
    path = tmp_path / "azimuth.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=360, height=180, count=1, dtype="float32", nodata=-9999,
        crs="+proj=longlat +R=1737400 +no_defs", transform=rasterio.Affine(1, 0, -180, 0, -1, 90),
    ) as file:  # fmt: skip
        file.write(values, 1)
    given = config(illumination="azimuth", sun_azimuth_map=str(path))
    assert given_sun(given, craters())["sun_azimuth_deg"].tolist() == [100.0, 200.0, 100.0]
    south_west = craters(longitude_deg=[-10.0, -30.0, 10.0], latitude_deg=[-20.0, 60.0, 0.0])
    assert np.isnan(given_sun(given, south_west)["sun_azimuth_deg"][0])


@pytest.mark.parametrize(
    ("bands", "said", "answer"),
    [
        (1, {}, r"8 bits.*-units deg, with -scale"),
        (2, {"units": ["deg", "deg"]}, r"2 bands.*gdal_translate -b 1"),
        (1, {"units": ["deg"]}, 128.0),
        (1, {"units": ["deg"], "scales": [1.40625]}, 180.0),
    ],
)
def test_bytes_of_azimuths_are_a_question(tmp_path, bands, said, answer):
    path = tmp_path / "azimuth.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=360, height=180, count=bands, dtype="uint8",
        crs="+proj=longlat +R=1737400 +no_defs", transform=rasterio.Affine(1, 0, -180, 0, -1, 90),
    ) as file:  # fmt: skip
        file.write(np.full((bands, 180, 360), 128, np.uint8))
        for name, value in said.items():
            setattr(file, name, value)
    given = config(illumination="azimuth", sun_azimuth_map=str(path))
    if isinstance(answer, str):
        with pytest.raises(MosaicError, match=answer):
            given_sun(given, craters())
    else:
        assert given_sun(given, craters())["sun_azimuth_deg"].tolist() == [answer] * 3


def test_polygons_of_azimuths_also_around_a_pole(tmp_path):
    footprints = geopandas.GeoDataFrame(
        {"sun_azimuth_deg": [40.0, 250.0]},
        geometry=[box(-400_000, -400_000, 0, 400_000), box(0, -400_000, 400_000, 400_000)],
        crs=POLAR,
    )
    footprints.to_file(tmp_path / "prints.gpkg")
    given = config(illumination="azimuth", sun_azimuth_map=str(tmp_path / "prints.gpkg"))
    table = craters(longitude_deg=[90.0, -90.0, 20.0], latitude_deg=[85.0, 85.0, 10.0])
    azimuth = given_sun(given, table)["sun_azimuth_deg"]
    assert azimuth[:2].tolist() == [250.0, 40.0]
    assert np.isnan(azimuth[2])


def azimuth_raster(path, values, unit=None):
    with rasterio.open(
        path, "w", driver="GTiff", width=360, height=180, count=1, dtype="float32",
        crs="+proj=longlat +R=1737400 +no_defs", transform=rasterio.Affine(1, 0, -180, 0, -1, 90),
    ) as file:  # fmt: skip
        file.write(values.astype(np.float32), 1)
        if unit is not None:
            file.units = [unit]
    return config(illumination="azimuth", sun_azimuth_map=str(path))


def test_radians_are_a_question_unless_the_unit_answers_it(tmp_path):
    radians = np.full((180, 360), np.pi / 2)
    radians[:, :180] = 3 * np.pi / 2
    with pytest.raises(MosaicError, match=r"up to 4\.71239 .*radians or degrees.*-units rad"):
        given_sun(azimuth_raster(tmp_path / "a.tif", radians), craters())
    told = given_sun(azimuth_raster(tmp_path / "b.tif", radians, "radian"), craters())
    np.testing.assert_allclose(told["sun_azimuth_deg"], [90, 270, 90], atol=1e-4)
    degrees = given_sun(azimuth_raster(tmp_path / "c.tif", radians, "deg"), craters())
    np.testing.assert_allclose(degrees["sun_azimuth_deg"][0], np.pi / 2, rtol=1e-6)
    with pytest.raises(MosaicError, match="the unit 'gon'"):
        given_sun(azimuth_raster(tmp_path / "d.tif", radians, "gon"), craters())


@pytest.mark.parametrize("turn_deg", [0.0, 360.0])
def test_footprints_count_longitudes_to_either_end(tmp_path, turn_deg):
    prints = geopandas.GeoDataFrame(
        {"sun_azimuth_deg": ["100°", "200 deg", None]},
        geometry=[
            box(-170 + turn_deg, 0, -160 + turn_deg, 10),
            box(-168 + turn_deg, 0, -160 + turn_deg, 10),
            box(0, 0, 20, 10),
        ],
        crs="+proj=longlat +R=1737400 +no_defs",
    )
    prints.to_file(tmp_path / "prints.gpkg")
    given = config(illumination="azimuth", sun_azimuth_map=str(tmp_path / "prints.gpkg"))
    table = craters(longitude_deg=[-165.0, 10.0, 100.0], latitude_deg=5.0)
    azimuth = given_sun(given, table)["sun_azimuth_deg"]
    assert azimuth[0] == 100.0  # the first of two
    assert np.isnan(azimuth[1:]).all()
    prints.assign(sun_azimuth_deg=["1", "east", "2"]).to_file(tmp_path / "prints.gpkg")
    with pytest.raises(MosaicError, match="row 2 of column sun_azimuth_deg holds 'east'"):
        given_sun(given, table)


def test_a_sun_of_no_crater_is_refused():
    with pytest.raises(CatalogueError, match="illumination=azimuth finds the Sun of no crater"):
        given_sun(config(illumination="azimuth"), craters(sun_azimuth_deg=np.nan))


def test_what_is_not_understood_is_refused(tmp_path):
    with pytest.raises(CatalogueError, match=r"no column sun_azimuth_deg.*columns="):
        given_sun(config(illumination="azimuth"), craters())
    with pytest.raises(CatalogueError, match=r"sun_azimuth_deg=1000 of crater b is outside"):
        given_sun(config(illumination="azimuth"), craters(sun_azimuth_deg=[1.0, 1000.0, 2.0]))
    with pytest.raises(CatalogueError, match="sub_solar_latitude_deg=30"):
        given_sun(
            config(illumination="sub_solar"),
            craters(sub_solar_longitude_deg=1.0, sub_solar_latitude_deg=30.0),
        )
    with pytest.raises(ConfigError, match="set illumination=azimuth too"):
        config(sun_azimuth_deg=20.0)
    with pytest.raises(ConfigError, match="exclude each other"):
        config(illumination="azimuth", sun_azimuth_deg=20.0, sun_azimuth_map="m.tif")
    with pytest.raises(MosaicError, match="no map of azimuths"):
        given_sun(config(illumination="azimuth", sun_azimuth_map="none.tif"), craters())
    earth = geopandas.GeoDataFrame(
        {"sun_azimuth_deg": [1.0]}, geometry=[box(0, 0, 1, 1)], crs="EPSG:4326"
    )
    earth.to_file(tmp_path / "earth.gpkg")
    with pytest.raises(MosaicError, match="not the Moon's"):
        given_sun(
            config(illumination="azimuth", sun_azimuth_map=str(tmp_path / "earth.gpkg")), craters()
        )


def test_column_of_a_catalogue_turns_its_crops(noise_moon, tmp_path):
    table = pd.read_csv(noise_moon / "craters.csv").head(12)
    table["SUNAZ"] = np.linspace(0, 330, 12)
    table["INCIDENCE_ANGLE"] = 66.0
    table.to_csv(tmp_path / "lit.csv", index=False)
    made = make_crop_set(
        crop_config(
            noise_moon,
            tmp_path / "crops",
            catalogue=str(tmp_path / "lit.csv"),
            columns="crater_id=crater_id,longitude_deg=longitude_deg,latitude_deg=latitude_deg,"
            "diameter_km=diameter_km,sun_azimuth_deg=SUNAZ,incidence_deg=INCIDENCE_ANGLE",
            illumination="azimuth",
            diameter_min_km=None,
            diameter_max_km=None,
            min_native_px=1.0,
        )
    )
    found = made.metadata.set_index("crater_id")["sun_azimuth_deg"]
    truth = table.set_index("crater_id")["SUNAZ"].loc[found.index]
    np.testing.assert_allclose(found, truth, atol=1e-3)
    assert (made.metadata["incidence_deg"] == 66.0).all()
    assert made.info.alignment == "azimuth"
