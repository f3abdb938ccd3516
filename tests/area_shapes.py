"""Outlines of counting areas in files, and the area of a band of latitudes."""

import geopandas as gpd
import numpy as np

RADIUS_KM = 1737.4
GEOGRAPHIC = "IAU_2015:30100"
EQUIRECTANGULAR = "IAU_2015:30110"
NORTH, SOUTH = "IAU_2015:30130", "IAU_2015:30135"


def write(tmp_path, *shapes, crs=GEOGRAPHIC, suffix="gpkg"):
    path = tmp_path / f"area.{suffix}"
    gpd.GeoDataFrame({"name": range(len(shapes))}, geometry=list(shapes), crs=crs).to_file(path)
    return path


def band_km2(west, south, east, north):
    sines = np.sin(np.radians([south, north]))
    return RADIUS_KM**2 * np.radians(east - west) * (sines[1] - sines[0])
