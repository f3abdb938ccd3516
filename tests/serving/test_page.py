"""The page in a real Chromium: by mouse, by keyboard, on a phone, without any other server."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browser import SIZES, Window, needs_chromium
from crop_images import encoded
from live_server import Live, live_server
from service_parts import Parts

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def server(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live_server(tmp_path_factory.mktemp("page"), bundle_folder) as live:
        yield live


@pytest.fixture(params=SIZES)
def page(browser, server: Live, request: pytest.FixtureRequest) -> Iterator:
    window = Window(browser, server.url, request.param)
    page = window.page
    page.wait_for_selector("#map-box:not([hidden])")
    page.width = SIZES[request.param][0]
    yield page
    assert window.faults == []
    assert window.complaints == []
    assert window.abroad(server.url) == []  # it works offline
    window.context.close()


def test_a_dropped_crop_is_answered(page, parts: Parts, tmp_path: Path) -> None:
    file = tmp_path / "crop.png"
    file.write_bytes(encoded(np.array(parts.crop_set.crops[5])))
    page.set_input_files("#file", str(file))
    page.wait_for_selector("#similar button")
    assert page.inner_text("#state").splitlines()[0] in ("1", "2", "3", "4")
    assert "±" in page.inner_text("#degradation .score")
    assert page.is_hidden("#encoder-degradation")  # this encoder has no score of its own
    assert page.locator("#probabilities .bar").count() == 4
    page.wait_for_selector("#gallery button")
    assert "00-1-000005" in page.inner_text("#similar button:first-child")
    page.click(".raw summary")
    assert page.inner_text("#curl").startswith("curl -s -H 'content-type: image/png'")
    assert '"conformal_set"' in page.inner_text("#json")
    assert page.evaluate("document.documentElement.scrollWidth") <= page.width


def test_everything_works_by_keyboard(page) -> None:
    page.focus("#map")
    page.keyboard.press("ArrowRight")
    first = page.input_value("#crater-id") or page.inner_text("#map-note")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("+")
    page.keyboard.press("Enter")
    page.wait_for_selector("#similar button")
    chosen = page.input_value("#crater-id")
    assert chosen.startswith("00-1-")
    assert first
    page.focus("#similar button:first-child")
    page.keyboard.press("Enter")
    page.wait_for_function("id => document.getElementById('crater-id').value !== id", arg=chosen)


def test_a_click_on_the_map_shows_the_crater(page) -> None:
    box = page.locator("#map").bounding_box()
    # some crater lies near a point of a grid this fine
    for x in np.linspace(10, box["width"] - 60, 12):
        for y in np.linspace(10, box["height"] - 10, 8):
            page.locator("#map").click(position={"x": float(x), "y": float(y)})
            if page.input_value("#crater-id"):
                page.wait_for_selector("#similar button")
                return
    pytest.fail("no crater was hit")


def test_a_broken_image_is_explained(page, tmp_path: Path) -> None:
    file = tmp_path / "broken.png"
    file.write_bytes(b"no image")
    page.set_input_files("#file", str(file))
    page.wait_for_selector("#status.error")
    assert "not a readable" in page.inner_text("#status")
    assert page.is_hidden("#answer")


def test_an_error_clears_the_verdict_before_it(page, tmp_path: Path) -> None:
    page.fill("#crater-id", "00-1-000003")
    page.click("#find button")
    page.wait_for_selector("#similar button")
    (tmp_path / "broken.png").write_bytes(b"no image")
    page.set_input_files("#file", str(tmp_path / "broken.png"))
    page.wait_for_selector("#status.error")
    assert page.is_hidden("#answer")
    page.fill("#crater-id", "00-1-000003")
    page.click("#find button")
    page.wait_for_selector("#similar button")
    assert page.is_visible("#answer")


def test_an_answer_completed_late_does_not_clear_a_newer_error(page, tmp_path: Path) -> None:
    held = []
    page.route("**/v1/clusters/*", lambda route: held.append(route))
    page.fill("#crater-id", "00-1-000003")
    page.click("#find button")
    page.wait_for_selector("#similar button")
    (tmp_path / "broken.png").write_bytes(b"no image")
    page.set_input_files("#file", str(tmp_path / "broken.png"))
    page.wait_for_selector("#status.error")
    with page.expect_response("**/v1/clusters/*"):
        held[0].continue_()
    page.wait_for_timeout(200)
    assert page.is_visible("#status.error")
    assert page.inner_text("#status")


def test_the_map_has_a_legend_and_crops_a_width(page) -> None:
    legend = page.inner_text("#legend")
    assert "120 craters" in legend
    assert "cluster 0" in legend
    assert page.inner_text("#context") == "1.5"


def test_look_alikes_of_a_similar_size(page, server: Live) -> None:
    page.fill("#crater-id", "00-1-000003")
    page.click("#find button")
    page.wait_for_selector("#similar button")
    page.check("#same-size")
    diameter = server.get("/v1/craters/00-1-000003").json()["diameter_km"]
    shown = page.locator("#similar button b").all_inner_texts()
    for crater_id in shown:
        other = server.get(f"/v1/craters/{crater_id}").json()["diameter_km"]
        assert 0.5 <= other / diameter <= 2
    page.uncheck("#same-size")
    assert page.locator("#similar button").count() == 12


def test_the_encoders_own_score_has_a_scale(browser, taught: Path, tmp_path: Path) -> None:
    with live_server(tmp_path, taught) as live:
        page = browser.new_page()
        page.goto(live.url)
        page.fill("#crater-id", "00-1-000060")
        page.click("#find button")
        page.wait_for_selector("#similar button")
        assert "0.50 ± 0.15" in page.inner_text("#encoder-degradation .score")
        assert page.is_hidden("#degradation")  # there is no head
        page.close()
