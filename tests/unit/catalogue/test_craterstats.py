from pathlib import Path

import pytest

from lunar_models.catalogue.craterstats import read_craterstats
from lunar_models.catalogue.formats import understand_catalogue
from lunar_models.errors import CatalogueError

SCC = """# Spatial crater count
a_axis_radius = 1737.4 <km>
unit_boundary = {vertex, sub_area, tag, lon, lat
#Area_name1 = no name
1\t1\text\t10.0\t5.0
2\t1\text\t12.0\t5.0
3\t1\text\t11.0\t7.0
}
Total_area = 1234.5 <km^2>
Total_perimeter = 150.25 <km>
crater = {diam, fraction, lon, lat, topo_scale_factor
1.5\t1\t11.0\t5.5\t1
0.75\t0.5\t10.5\t5.0\t1
}
"""


def write(tmp_path, text, name="count.scc", encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


def test_reads_craters_area_perimeter_and_outline(tmp_path):
    count = read_craterstats(write(tmp_path, SCC))
    assert count.craters["diameter_km"].tolist() == [1.5, 0.75]
    assert count.craters["fraction"].tolist() == [1.0, 0.5]
    assert count.craters["longitude_deg"].tolist() == [11.0, 10.5]
    assert count.craters["latitude_deg"].tolist() == [5.5, 5.0]
    assert (count.area_km2, count.perimeter_km, count.radius_km) == (1234.5, 150.25, 1737.4)
    assert count.boundary["longitude_deg"].tolist() == [10.0, 12.0, 11.0]
    assert count.boundary["tag"].tolist() == ["ext"] * 3
    count.require_moon()
    count.require_places()


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_decimal_commas_and_all_line_ends_read_the_same(tmp_path, end):
    text = SCC.replace(".", ",").replace("diam, ", "diam,").replace("\n", end)
    count = read_craterstats(write(tmp_path, text))
    assert count.craters["diameter_km"].tolist() == [1.5, 0.75]
    assert count.area_km2 == 1234.5


def test_diam_without_places_or_fractions(tmp_path):
    path = write(tmp_path, "area = 100.\ncrater = {diameter\n1.1\n2.3\n}", "count.diam")
    count = read_craterstats(path)
    assert count.craters["diameter_km"].tolist() == [1.1, 2.3]
    assert count.craters["fraction"].tolist() == [1.0, 1.0]
    assert count.area_km2 == 100.0
    assert count.radius_km is None
    with pytest.raises(CatalogueError, match="without longitude and latitude"):
        count.require_places()


def test_diam_with_decimal_commas_fractions_and_places(tmp_path):
    text = "area=178,07\ncrater={diameter,fraction,lon,lat\n0,69 0,5724 -10,5 3\n0,31 1 -10 3,25\n}"
    count = read_craterstats(write(tmp_path, text, "count.diam"))
    assert count.area_km2 == 178.07
    assert count.craters["fraction"].tolist() == [0.5724, 1.0]
    assert count.craters["longitude_deg"].tolist() == [-10.5, -10.0]
    notes = understand_catalogue(count.path, None).notes
    assert any("1 of 2 craters lie on the area in part" in note for note in notes)


def test_columns_may_be_parted_by_commas(tmp_path):
    path = write(tmp_path, "area=5.0\ncrater={diameter,fraction\n1.5,1.0\n2.5, 0.5\n}", "c.diam")
    assert read_craterstats(path).craters["fraction"].tolist() == [1.0, 0.5]


def test_latin_1_comments_and_a_byte_order_mark_do_no_harm(tmp_path):
    latin = write(tmp_path, "# Größe\n" + SCC, "latin.scc", "latin-1")
    marked = write(tmp_path, SCC, "marked.scc", "utf-8-sig")
    assert len(read_craterstats(latin).craters) == len(read_craterstats(marked).craters) == 2


def test_a_count_on_mars_is_refused_as_lunar(tmp_path):
    count = read_craterstats(write(tmp_path, SCC.replace("1737.4", "3396.19")))
    with pytest.raises(CatalogueError, match=r"3396\.19 km radius"):
        count.require_moon()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SCC.replace("1.5\t1", "-1.5\t1"), "diameter -1.5 in crater row 1"),
        (SCC.replace("0.75\t0.5", "0.75\t1.5"), "fraction 1.5 in crater row 2"),
        (SCC.replace("1.5\t1\t11.0", "big\t1\t11.0"), "'big' is not a number"),
        (SCC.replace("1.5\t1\t11.0\t5.5\t1", "1.5\t1"), "has 5 columns"),
        (SCC.replace("1234.5", "1,234.5"), "not a number|decimal comma"),
        (SCC.rstrip().rstrip("}"), "closing"),
        ("Total_area = 3 <km^2>\n", "no crater table"),
        (SCC.replace("0.75\t0.5", "0,75\t0.5"), "both"),
        (SCC + "crater = {diam\n7\n}\n", "two tables 'crater'"),
        (SCC.replace("\text\t", "\touter\t"), "but they are outer"),
        (SCC.replace("2\t1\text", "2\t1\tint"), "differ within one ring"),
    ],
)
def test_faults_are_named(tmp_path, text, message):
    with pytest.raises(CatalogueError, match=message):
        read_craterstats(write(tmp_path, text))


def test_other_files_are_refused(tmp_path):
    with pytest.raises(CatalogueError, match=r"\.scc or \.diam"):
        read_craterstats(write(tmp_path, SCC, "count.txt"))
    with pytest.raises(CatalogueError, match="no file"):
        read_craterstats(tmp_path / "missing.scc")


@pytest.mark.parametrize("row", ["2.5\t1\t25W\t10", "2.5km\t1\t25\t10", "2.5\t1\t25\t10 S"])
def test_cells_that_are_more_than_numbers(tmp_path: Path, row: str) -> None:
    path = tmp_path / "c.scc"
    table = f"crater = {{diam, fraction, lon, lat\n{row}\n}}\n"
    path.write_text(f"a_axis_radius = 1737.4 <km>\n{table}")
    with pytest.raises(CatalogueError, match=r"more than a number|has 5\. Correct"):
        read_craterstats(path)


def test_another_prime_meridian(tmp_path: Path) -> None:
    path = tmp_path / "c.scc"
    table = "crater = {diam, fraction, lon, lat\n2.5\t1\t25\t10\n}\n"
    path.write_text(f"a_axis_radius = 1737.4 <km>\nprime_meridian = 180\n{table}")
    with pytest.raises(CatalogueError, match="prime_meridian = 180"):
        read_craterstats(path)
