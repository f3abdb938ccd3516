"""The page /search in a real Chromium: by keyboard and by touch, at two sizes, with hostile ids."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from browser import SIZES, Window, needs_chromium
from live_server import Live, live_server
from service_parts import Parts

from lunar_models.labelling.tags import TagStore
from serving.app.tokens import create_token

pytestmark = needs_chromium


class Served:
    """A server with tags, and its store."""

    def __init__(self, live: Live, store: TagStore) -> None:
        self.live, self.url, self.store = live, live.url, store

    def members(self, name: str) -> dict[str, bool]:
        table = self.store.table()
        return table[table["name"] == name].set_index("crater_id")["member"].to_dict()


@pytest.fixture(scope="module")
def server(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("search-page")
    with live_server(folder, bundle_folder, tags=str(folder / "tags.db")) as live:
        store = TagStore(folder / "tags.db")
        yield Served(live, store)
        store.close()


class Page(Window):
    """A browser window on the page."""

    def __init__(self, browser, url: str, size: str = "desktop", path: str = "/search") -> None:
        super().__init__(browser, url + path, size, has_touch=size == "phone")
        self.home = url

    def wait(self, state: str = "answered") -> None:
        self.page.wait_for_function("s => document.body.dataset.state === s", arg=state)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def search(self) -> None:
        self.page.evaluate("document.body.dataset.state = ''")
        self.press("Enter")
        self.wait()

    def cards(self) -> list[str]:
        return self.page.eval_on_selector_all(".card", "all => all.map(card => card.dataset.id)")

    def focused(self) -> str | None:
        return self.page.evaluate("document.activeElement.dataset.id ?? null")


@pytest.fixture
def open_page(browser) -> Iterator:
    opened: list[Page] = []

    def open_page(*args, **options) -> Page:
        opened.append(Page(browser, *args, **options))
        return opened[-1]

    yield open_page
    for page in opened:
        assert page.faults == []
        assert page.abroad(page.home) == []
        page.context.close()


@pytest.mark.parametrize("size", SIZES)
def test_a_kind_is_found_refined_and_saved_by_keyboard_alone(
    server: Served, open_page, parts: Parts, size: str
) -> None:
    name = f"kind_{size}"
    page = open_page(server.url, size)
    page.wait()
    first = page.cards()
    assert len(first) == min(60, len(parts.crop_set))
    assert page.focused() == first[0]
    page.press("y", "n", "ArrowRight", "y")
    page.search()
    assert f"{len(parts.crop_set):,} craters ranked" in page.text("#title")
    found = page.cards()
    assert not {first[0], first[1], first[3]} & set(found)
    assert page.focused() == found[0]
    page.press("y", "y", "n")
    assert "Of 3 marked here 2 are of the kind." in page.text("#precision")
    page.press("u")  # the last mark was a slip
    assert page.focused() == found[2]
    page.press("y")
    assert page.focused() == found[3]
    page.press("ArrowLeft", "Delete", "n")
    page.search()
    assert not set(found[:3]) & set(page.cards())
    assert "6 marks not saved" in page.text("#saved")
    page.press("s")
    page.page.keyboard.type(name)
    page.press("Enter")
    page.page.wait_for_function("n => document.getElementById('tags').innerText.includes(n)",
                                arg=name)  # fmt: skip
    assert server.members(name) == {
        first[0]: True, first[1]: False, first[3]: True,
        found[0]: True, found[1]: True, found[2]: False,
    }  # fmt: skip
    assert "marks saved" in page.text("#saved")
    assert page.page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]


@pytest.mark.parametrize("size", SIZES)
def test_results_have_pictures_and_can_be_looked_at_closely(
    server: Served, open_page, parts: Parts, size: str
) -> None:
    page = open_page(server.url, size)
    page.wait()
    page.press("y")
    page.search()
    page.page.wait_for_function("() => document.querySelector('.card .picture').naturalWidth > 0")
    width = page.page.evaluate("document.querySelector('.card').clientWidth")
    assert width >= 100
    page.press("z")
    assert page.page.is_visible("#closer")
    assert page.cards()[0] in page.text("#closer-title")
    page.press("Escape")
    assert page.focused() == page.cards()[0]
    before = len(page.cards())
    for _ in range(80):
        page.press("ArrowDown")
    assert len(page.cards()) == len(parts.crop_set) - 1 >= before
    assert page.focused() == page.cards()[-1]


def test_marks_are_made_by_touch_and_outlive_a_reload(
    server: Served, open_page, parts: Parts
) -> None:
    page = open_page(server.url, "phone")
    page.wait()
    first = page.cards()
    buttons = page.page.locator(".card").nth(0).locator("button")
    assert buttons.nth(0).bounding_box()["height"] >= 44
    buttons.nth(0).tap()
    page.page.locator(".card").nth(1).locator("button").nth(1).tap()
    page.page.evaluate("document.body.dataset.state = ''")
    page.page.locator("#go").tap()
    page.wait()
    found = page.cards()
    page.page.reload()
    page.wait()
    assert page.cards() == found
    assert page.page.get_attribute("#yes button", "data-id") == first[0]
    page.page.locator("#yes button").tap()  # takes the mark away
    assert page.page.locator("#yes button").count() == 0
    assert page.page.is_disabled("#go")


def test_work_on_a_tag_goes_on_and_a_member_is_taken_out(
    server: Served, open_page, parts: Parts
) -> None:
    ids = list(parts.crop_set.metadata["crater_id"])
    server.store.add("old", positives=ids[:3], negatives=ids[3:4], labeller="ada", model="m 1")
    page = open_page(server.url)
    page.wait()
    page.press("y")
    page.page.click("#tags button:has-text('old')")
    assert "not saved" in page.text("#message")  # nothing is lost
    page.press("u")
    page.page.evaluate("document.body.dataset.state = ''")
    page.page.click("#tags button:has-text('old · 3')")
    page.wait()
    assert page.page.locator("#yes button").count() == 3
    page.page.locator(f"#yes button[data-id='{ids[0]}']").click()
    assert f"{ids[0]} stays in the tag old" in page.text("#message")
    page.press("i")
    page.page.keyboard.type("nowhere")
    page.press("Enter")
    page.page.wait_for_function("() => document.getElementById('message').innerText"
                                ".includes('no crater of this id')")  # fmt: skip
    assert server.members("old")[ids[0]]


def test_the_map_leads_to_a_search_like_its_crater(server: Served, open_page, parts: Parts) -> None:
    crater = parts.crop_set.metadata["crater_id"].iloc[4]
    page = open_page(server.url, path="/")
    page.page.fill("#crater-id", crater)
    page.press("Enter")
    page.page.wait_for_selector("#more-like:not([hidden])")
    page.page.click("#more-like a")
    page.wait()
    assert page.page.get_attribute("#yes button", "data-id") == crater
    assert page.page.url == f"{server.url}/search"
    assert len(page.cards()) == min(60, len(parts.crop_set) - 1)


def test_ids_of_the_catalogue_are_text_never_markup(
    parts: Parts, tmp_path: Path, open_page
) -> None:
    """The catalogue is somebody's file: its ids may hold anything."""
    evil = "<img src=x onerror=document.body.dataset.hit=1>\"'&..%2f"
    folder = Path(shutil.copytree(parts.neighbours, tmp_path / "neighbours"))
    craters = pd.read_parquet(folder / "craters.parquet")
    craters.loc[0, "crater_id"] = evil
    craters.to_parquet(folder / "craters.parquet", index=False)
    own = replace(parts, neighbours=folder).assemble(tmp_path / "bundle")
    with live_server(tmp_path, own, tags=str(tmp_path / "tags.db")) as live:
        page = open_page(live.url)
        page.wait()
        page.press("i")
        page.page.keyboard.type(evil)
        page.page.evaluate("document.body.dataset.state = ''")
        page.press("Enter")
        page.wait()
        assert page.page.get_attribute("#yes button", "data-id") == evil
        page.press("s")
        page.page.keyboard.type("evil")
        page.press("Enter")
        page.page.wait_for_selector("#tags button")
        assert page.page.evaluate("document.body.dataset.hit ?? null") is None
        assert live.get("/v1/tags/evil").json()["positives"] == [evil]


def test_a_token_is_asked_for_and_saving_needs_the_scope_label(
    bundle_folder: Path, tmp_path: Path, open_page
) -> None:
    tokens = tmp_path / "tokens.json"
    reader = create_token(tokens, name="reader", scopes=["read"])
    ada = create_token(tokens, name="ada", scopes=["read", "label"])
    settings = {"tokens": str(tokens), "tags": str(tmp_path / "tags.db")}
    with live_server(tmp_path, bundle_folder, **settings) as live:
        page = open_page(live.url)
        page.page.wait_for_selector("#token:focus")
        page.page.keyboard.type(reader)
        page.press("Enter")
        page.wait()
        page.press("y", "s")
        page.page.keyboard.type("rayed")
        page.press("Enter")
        page.page.wait_for_function(
            "() => document.getElementById('message').innerText.includes(\"scope 'label'\")"
        )
        assert "1 mark not saved" in page.text("#saved")
        page.page.click("#more summary")
        page.page.fill("#token", ada)
        page.press("Enter")
        page.page.wait_for_selector("#more:not([open])")
        page.page.fill("#name", "rayed")
        page.press("Enter")
        page.page.wait_for_selector("#tags button")
        store = TagStore(tmp_path / "tags.db")
        assert len(store.table()) == 1
        store.close()
