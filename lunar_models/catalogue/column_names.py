"""Name the fields of a crater table, and list what published catalogues call them."""

FIELDS = (
    "crater_id", "longitude_deg", "longitude_west", "latitude_deg", "diameter_km", "diameter_m",
    "radius_km", "radius_m", "x_px", "y_px", "diameter_px", "radius_px", "x_min_px", "y_min_px",
    "x_max_px", "y_max_px", "diameter_unit", "image", "sun_azimuth_deg", "sub_solar_longitude_deg",
    "sub_solar_latitude_deg", "incidence_deg", "acquisition_time", "longitude_hemisphere",
    "latitude_hemisphere",
)  # fmt: skip
"""What `columns=` may name."""

ALIASES: dict[str, tuple[str, ...]] = {
    "crater_id": (
        "crater_id", "craterid", "id", "feature_id", "feature_name", "clean_name", "crater_name",
        "crater", "name", "", "unnamed:0", "index", "fid",
    ),
    "longitude_deg": (
        "longitude_deg",
        "LON_CIRC_IMG",  # Robbins 2018
        "Longitude(degree)",  # LU1319373
        "Longitude",
        "center_longitude",  # IAU gazetteer, table
        "center_lon",  # IAU gazetteer, shapefile
        "Long",  # Povilaitis 2018, table
        "Lon",  # Head 2010
        "lon0",  # Salamuniccar 2011
        "x_coord",  # Head and Povilaitis, shapefile
        "PositiveEast360Longitude", "PositiveEast180Longitude",  # ISIS
        "longitude_e", "east_longitude", "lon_e", "lon_deg", "long_deg", "lng", "lon_center",
        "centre_longitude", "crater_lon", "lon_dd", "longitude_dd", "decimal_longitude",
        "lon_dege", "longitude_dege", "lon_360", "longitude_360", "lon_180", "longitude_180",
        "e_lon", "e_longitude", "elon", "east_lon", "east_longitude_deg", "east_lon_deg",
        "lon_e_deg", "longitude_e_deg", "longitude_degrees",
        "lon_degrees", "positive_east_longitude", "lon_positive_east", "longitude_positive_east",
        "lon_pos_east", "longitude_east", "lon_east", "e_long", "longitude_center", "long_e",
    ),
    "longitude_west": (
        "longitude_w", "west_longitude", "lon_w", "long_w", "longitude_west", "wlon",
        "positive_west_longitude", "lonw", "lon_degw", "longitude_degw", "west_lon", "w_longitude",
        "lon_pw", "w_lon", "lon_positive_west", "longitude_positive_west", "lon_pos_west",
        "west_longitude_deg", "west_lon_deg", "longitude_w_deg", "lon_w_deg", "w_lon_deg",
        "w_longitude_deg", "lon_west", "w_long", "longitude_west_deg", "lon_360_w", "lon_w_360",
        "w_lon_360",
        "PositiveWest360Longitude", "PositiveWest180Longitude",  # ISIS
    ),
    "latitude_deg": (
        "latitude_deg", "LAT_CIRC_IMG", "Latitude(degree)", "Latitude", "center_latitude",
        "center_lat", "Lat", "lat0", "y_coord", "latitude_n", "lat_n", "lat_deg", "lat_center",
        "centre_latitude", "crater_lat", "lat_dd", "latitude_dd", "decimal_latitude",
        "lat_degn", "latitude_degn", "latitude_n_deg", "lat_n_deg", "latitude_degrees",
        "lat_degrees", "n_lat", "north_latitude",
        "PlanetocentricLatitude",
    ),
    "diameter_km": (
        "diameter_km",
        "DIAM_CIRC_IMG",  # Robbins 2018
        "DIAM_C_IM",  # Robbins 2018, shapefile (coordinates in the geometry)
        "Diam_km",  # Head, Povilaitis, LPI
        "d_km", "dia_km", "diameter_kms", "diameter_kilometers", "diameter_kilometres",
        "diameter_in_km", "crater_diameter_km", "diamkm",
        "diameter_in_kilometers", "diameter_in_kilometres", "diameter_kilometer",
        "diameter_kilometre", "diam_kilometers", "diam_kilometres", "diameter/km", "d/km",
        "rim_diameter_km",
    ),
    "diameter_m": (
        "diameter_m",  # LU1319373, LU1319381
        "diam_m", "d_m", "dia_m", "diameter_meters", "diameter_metres", "diameter_in_m",
        "crater_diameter_m", "diameter_in_meters", "diameter_in_metres", "diameter_meter",
        "diameter/m", "d/m", "rim_diameter_m",
        "diameter_metre", "diam_meter", "diam_metre", "diam_meters", "diam_metres",
    ),
    "radius_km": ("radius_km", "rad_km", "r_km", "radius_in_km", "radius_kilometers",
                  "radius_kilometres", "radius_kilometer", "radius_kilometre"),
    "radius_m": ("radius_m", "rad_m", "r_m", "radius_in_m", "radius_meters", "radius_metres",
                 "radius_meter", "radius_metre"),
    "diameter": ("diameter", "diam", "dia", "d", "crater_diameter"),  # IAU: km
    "radius": ("radius", "rad", "crater_radius"),
    "x_px": ("x_px", "x_center_px", "center_x_px", "column_px"),
    "y_px": ("y_px", "y_center_px", "center_y_px", "row_px"),
    "diameter_px": ("diameter_px", "diam_px", "d_px"),
    "radius_px": ("radius_px", "r_px"),
    "x_min_px": ("x_min_px", "x_min", "xmin"),
    "y_min_px": ("y_min_px", "y_min", "ymin"),
    "x_max_px": ("x_max_px", "x_max", "xmax"),
    "y_max_px": ("y_max_px", "y_max", "ymax"),
    "image": ("image", "image_name", "image_id", "filename", "file_name", "file"),
    "sun_azimuth_deg": ("sun_azimuth_deg",),
    "sub_solar_longitude_deg": ("sub_solar_longitude_deg", "SUB_SOLAR_LONGITUDE"),  # PDS
    "sub_solar_latitude_deg": ("sub_solar_latitude_deg", "SUB_SOLAR_LATITUDE"),
    "incidence_deg": ("incidence_deg", "INCIDENCE_ANGLE"),
    "acquisition_time": ("acquisition_time", "image_time", "observation_time", "START_TIME"),  # PDS
    "diameter_unit": (
        "diameter_unit", "diam_unit", "dia_unit", "d_unit", "size_unit", "length_unit",
        "crater_diameter_unit", "diameter_units", "diam_units", "dia_units", "d_units",
        "size_units", "length_units", "unit_of_diameter", "units_of_diameter", "unit_diameter",
        "unit_diam", "units_diameter", "unit_of_size", "units_of_size", "diameter_uom", "uom",
        "unit", "units",
    ),
    "radius_unit": (
        "radius_unit", "radius_units", "rad_unit", "r_unit", "unit_of_radius", "units_of_radius",
    ),
    "longitude_unit": (
        "longitude_unit", "longitude_units", "lon_unit", "lon_units", "long_unit", "long_units",
        "unit_of_longitude", "units_of_longitude",
    ),
    "latitude_unit": (
        "latitude_unit", "latitude_units", "lat_unit", "lat_units", "unit_of_latitude",
        "units_of_latitude",
    ),
    "body": ("target", "target_name", "body"),
    "feature_type": ("feature_type", "type_of_feature"),
    "coordinate_system": ("coordinate_system",),
    "longitude_hemisphere": (
        "ew", "e/w", "e_w", "we", "w/e", "lon_dir", "long_dir", "longitude_direction", "lon_ew",
        "longitude_hemisphere", "lon_hemisphere", "lon_hemi", "londirection",
    ),
    "latitude_hemisphere": (
        "ns", "n/s", "n_s", "sn", "lat_dir", "latitude_direction", "lat_ns", "latitude_hemisphere",
        "lat_hemisphere", "lat_hemi", "latdirection",
    ),
}  # fmt: skip
"""Names by which catalogues call what we look for, best first; see `plain_name`."""

SUN_COLUMNS = (
    "sun_azimuth_deg",
    "sub_solar_longitude_deg",
    "sub_solar_latitude_deg",
    "incidence_deg",
)
"""Taken where a catalogue has them; what else it has is left behind."""

NUMBERS = (
    "longitude_deg", "longitude_west", "latitude_deg", "diameter_km", "diameter_m", "radius_km",
    "radius_m", "diameter", "radius", "x_px", "y_px", "diameter_px", "radius_px", "x_min_px",
    "y_min_px", "x_max_px", "y_max_px", *SUN_COLUMNS,
)  # fmt: skip

SIZES = ("diameter_km", "diameter_m", "radius_km", "radius_m", "diameter", "radius")
"""Best first: what says a unit comes before what does not."""

BOX = ("x_min_px", "y_min_px", "x_max_px", "y_max_px")
