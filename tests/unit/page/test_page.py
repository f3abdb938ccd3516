"""The interactive page in a real browser."""

import numpy as np
import pandas as pd
import pytest
from browser import Window, needs_chromium
from page_craters import craters

from lunar_models.colours import FRESH_TO_OLD
from lunar_models.page import write_page


@pytest.fixture
def open_page(browser):
    windows = []

    def visit(url: str):
        windows.append(Window(browser, url))
        return windows[-1].page

    yield visit
    for window in windows:
        window.context.close()
        assert window.faults == []
        assert window.complaints == []
        assert not [url for url in window.requests if url.startswith("http")]


def place_of(page, plot: str, row: int) -> tuple[float, float]:
    """Where a crater is on the screen."""
    x, y = page.evaluate(
        f"""() => {{ const p = lunarPage.{plot}, box = p.top.getBoundingClientRect();
        return [box.left + p.toX(p.x[{row}]), box.top + p.toY(p.y[{row}])]; }}"""
    )
    return x, y


def record(page) -> dict[str, str]:
    names, values = (page.locator(f"#record {tag}").all_text_contents() for tag in ("dt", "dd"))
    return dict(zip(names, values, strict=True))


def brush_column(page, low: float, high: float) -> None:
    """Drag over all of the embedding between two values of x."""
    left, right = (
        page.evaluate(
            "x => lunarPage.view.toX(x) + lunarPage.view.top.getBoundingClientRect().left", x
        )
        for x in (low, high)
    )
    box = page.locator("#view .stage").bounding_box()
    page.mouse.move(left, box["y"] + 2)
    page.mouse.down()
    page.mouse.move(right, box["y"] + box["height"] - 2, steps=3)
    page.mouse.up()


@needs_chromium
def test_hovering_shows_the_crop_and_the_record(small, open_page) -> None:
    path, table = small
    page = open_page(path.as_uri())
    for plot in ("map", "view"):
        page.mouse.move(*place_of(page, plot, 7))
        shown = record(page)
        assert shown["id"] == "c7"
        assert float(shown["diameter"].split()[0]) == pytest.approx(table["diameter_km"][7], 1e-3)
        assert shown["longitude"].endswith("° W")
        assert page.locator("#tip").is_visible()
    page.wait_for_timeout(300)
    row = page.evaluate(
        """() => Array.from(document.querySelector("#crop").getContext("2d")
        .getImageData(0, 100, 224, 1).data)"""
    )
    assert row[4 * 40] > 2 * row[4 * 190]  # the crop is bright on the left


@needs_chromium
def test_brushing_one_picture_selects_in_the_other(small, open_page) -> None:
    path, table = small
    page = open_page(path.as_uri())
    dots = "() => lunarPage.map.base.toDataURL().length"
    page.wait_for_timeout(200)
    before = page.evaluate(dots)
    brush_column(page, -0.45, 0.45)
    wanted = table.index[table["cluster_id"] == 0]
    assert page.locator("#selection-count").inner_text() == f"{len(wanted)} craters selected"
    ids = page.locator("#selection textarea").input_value().split()
    assert ids == [f"c{n}" for n in wanted]
    page.wait_for_timeout(200)
    assert page.evaluate(dots) != before
    page.keyboard.press("Escape")
    assert not page.locator("#selection textarea").input_value()


@needs_chromium
def test_filters_narrow_both_pictures(small, open_page) -> None:
    path, table = small
    page = open_page(path.as_uri())
    page.get_by_label("Show cluster 1").focus()
    page.keyboard.press("Space")
    page.get_by_label("Show Old").focus()
    page.keyboard.press("Space")
    kept = table[(table["cluster_id"] != 1) & (table["state"] != 4)]
    assert page.locator("#count").inner_text() == f"{len(kept)} of 300 craters shown"
    page.locator("#diameter-low").fill("500")
    middle = np.sqrt(table["diameter_km"].min() * table["diameter_km"].max())
    kept = kept[kept["diameter_km"] >= middle]
    assert page.locator("#count").inner_text() == f"{len(kept)} of 300 craters shown"
    hidden = int(table.index[table["cluster_id"] == 1][0])
    page.mouse.move(*place_of(page, "map", hidden))
    assert record(page).get("id") != f"c{hidden}"


def shown_count(page) -> int:
    return int(page.locator("#count").inner_text().split()[0])


@needs_chromium
def test_only_one_group_is_shown_and_all_again(small, open_page) -> None:
    path, table = small
    page = open_page(path.as_uri())
    only = page.get_by_label("Show only cluster 1, or all again")
    only.click()
    assert shown_count(page) == (table["cluster_id"] == 1).sum()
    page.get_by_label("Show only Old, or all again").click()
    assert shown_count(page) == ((table["cluster_id"] == 1) & (table["state"] == 4)).sum()
    page.get_by_label("Show only Old, or all again").click()
    only.click()
    assert shown_count(page) == 300


@needs_chromium
def test_any_column_filters(small, open_page) -> None:
    path, table = small
    page = open_page(path.as_uri())
    page.get_by_label("Add a filter on a column").select_option("confidence")
    page.get_by_label("confidence: at least").fill("0.25")
    page.get_by_label("confidence: at most").fill("0.5")
    inside = table["confidence"].between(0.25, 0.5)
    assert shown_count(page) == inside.sum()
    page.get_by_label("Add a filter on a column").select_option("given label")
    page.get_by_label("given label: contains").fill("ne")
    assert shown_count(page) == (inside & (table["given_label"] == "New")).sum()
    page.get_by_label("Remove the filter confidence").click()
    page.get_by_label("Remove the filter given label").click()
    assert shown_count(page) == 300


@needs_chromium
def test_any_column_colours_and_states_keep_their_colours(small, open_page) -> None:
    page = open_page(small[0].as_uri())
    page.locator("#colour").select_option("given label")
    key = page.locator("#key li")
    assert sorted(key.all_inner_texts()) == ["New", "Old", "none"]
    colour = {
        entry.inner_text(): entry.evaluate("e => e.style.getPropertyValue('--colour')")
        for entry in key.all()
    }
    assert (colour["New"], colour["Old"]) == (FRESH_TO_OLD[0], FRESH_TO_OLD[3])
    page.locator("#colour").select_option("confidence")
    assert page.locator("#ramp").is_visible()
    assert key.count() == 0


@needs_chromium
def test_a_crater_is_found_by_its_id(small, open_page) -> None:
    page = open_page(small[0].as_uri())
    page.get_by_label("Search by crater id").fill("C29")
    assert page.locator("#found button").all_inner_texts() == [
        "c29",
        *(f"c{n}" for n in range(290, 297)),
    ]
    page.keyboard.press("Enter")
    assert record(page)["id"] == "c29"
    page.get_by_label("Search by crater id").fill("nothing")
    assert page.locator("#not-found").is_visible()


@needs_chromium
def test_craters_that_look_alike_are_shown_and_selected(small, open_page) -> None:
    page = open_page(small[0].as_uri())
    page.get_by_label("Search by crater id").fill("c298")
    page.keyboard.press("Enter")
    page.get_by_text("Select them").click()
    assert page.locator("#selection textarea").input_value().split() == ["c0", "c298", "c299"]
    page.locator("#similar canvas").click(position={"x": 20, "y": 20})
    assert record(page)["id"] == "c299"


@needs_chromium
def test_the_selection_is_saved_as_csv(small, open_page, tmp_path) -> None:
    path, table = small
    page = open_page(path.as_uri())
    brush_column(page, -0.45, 0.45)
    page.locator("#selection summary").click()
    with page.expect_download() as download:
        page.get_by_text("Download as CSV").click()
    download.value.save_as(tmp_path / "selection.csv")
    saved = pd.read_csv(tmp_path / "selection.csv", keep_default_na=False)
    wanted = table[table["cluster_id"] == 0].reset_index(drop=True)
    assert list(saved.columns) == list(table.columns)
    assert saved["crater_id"].tolist() == wanted["crater_id"].tolist()
    assert saved["note"].tolist() == wanted["note"].tolist()
    np.testing.assert_array_equal(
        saved["confidence"].to_numpy(np.float32), wanted["confidence"].to_numpy()
    )
    assert (
        page.locator("#selection textarea").input_value()
        == (tmp_path / "selection.csv").read_text()
    )


@needs_chromium
def test_the_keyboard_goes_from_crater_to_crater(small, open_page) -> None:
    page = open_page(small[0].as_uri())
    page.locator("#map canvas").last.focus()
    page.keyboard.press("ArrowRight")
    first = record(page)
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowRight")
    second = record(page)
    assert second["id"] != first["id"]
    assert page.locator("#spoken").inner_text()
    longitude = {row["id"]: -float(row["longitude"].split("°")[0]) for row in (first, second)}
    assert longitude[second["id"]] > longitude[first["id"]]


@needs_chromium
def test_a_view_of_a_part_hides_the_rest(small, open_page) -> None:
    page = open_page(small[0].as_uri())
    page.locator("#view-kind").select_option("t-SNE")
    page.locator("#colour").select_option("confidence")
    brush_column(page, -1.4, 2.4)
    ids = page.locator("#selection textarea").input_value().split()
    assert len(ids) == 150
    assert all(int(name[1:]) % 2 == 0 for name in ids)


@needs_chromium
def test_it_works_in_the_sandbox_of_the_artifact_view(small, open_page) -> None:
    path, _ = small
    outer = path.with_name("outer.html")
    outer.write_text(
        '<link rel="icon" href="data:,"><iframe sandbox="allow-scripts" '
        f'style="width:1000px;height:700px" src="{path.name}"></iframe>'
    )
    frame = open_page(outer.as_uri()).frame_locator("iframe")
    frame.get_by_text("300 of 300 craters shown").wait_for()


@needs_chromium
def test_fifty_thousand_craters(tmp_path, open_page) -> None:
    table, views, crops = craters(50_000)
    path = tmp_path / "page.html"
    write_page(path, table, views, crops)
    page = open_page(path.as_uri())
    assert page.locator("#count").inner_text() == "50,000 of 50,000 craters shown"
    page.mouse.move(*place_of(page, "view", 49_999))
    assert record(page)["id"]
    brush_column(page, 0.55, 1.45)
    number = int((table["cluster_id"] == 1).sum())
    assert page.locator("#selection-count").inner_text() == f"{number:,} craters selected"
