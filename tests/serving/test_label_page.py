"""The page /label in a real Chromium: by keyboard, on a phone, offline, while the server dies."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest
import requests
from browser import SIZES, Window, needs_chromium
from helpers import make_crop_set_folder
from label_server import LabelServer, label_server, person
from live_server import wait_for

from lunar_models.crops.crop_set import METADATA_FILE, CropSet
from lunar_models.labelling import current_votes
from serving.app.tokens import revoke_token

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def crop_set(tmp_path_factory: pytest.TempPathFactory) -> CropSet:
    return make_crop_set_folder(tmp_path_factory.mktemp("label") / "crops", n=400)


_PIXELS = """() => {
  const image = document.getElementById("crop"), canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  canvas.getContext("2d").drawImage(image, 0, 0);
  return canvas.toDataURL();
}"""


def _same_ids(crop_set: CropSet, other: CropSet) -> CropSet:
    file = crop_set.path / METADATA_FILE
    table = gpd.read_parquet(file)
    table["crater_id"] = other.metadata["crater_id"].to_numpy()
    table.to_parquet(file)
    return CropSet.open(crop_set.path)


def _refused(url: str, token: str) -> bool:
    headers = {"authorization": f"Bearer {token}"}
    return requests.get(f"{url}/v1/label/setup", headers=headers, timeout=5).status_code == 401


class Desk:
    """The server of this module, which each test uses as a person of its own."""

    def __init__(self, server: LabelServer, tokens: list[str]) -> None:
        self.url, self._server, self._tokens = server.url, server, tokens
        self.token, self.name = "", ""

    def next_person(self) -> "Desk":
        self.name = f"person {len(self._tokens)}"
        self.token = self._tokens.pop()
        return self

    def votes(self) -> pd.DataFrame:
        votes = self._server.votes()
        return votes[votes["labeller"] == self.name].reset_index(drop=True)


@pytest.fixture(scope="module")
def desk(crop_set: CropSet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    ids = crop_set.metadata["crater_id"]
    for name, craters in {"reference": ids[:20], "guesses": ids}.items():
        states = [k % 4 + 1 for k in range(len(craters))]
        table = pd.DataFrame({"CRATER_ID": craters, "state": states})
        table.to_csv(folder / f"{name}.csv", index=False)
    tokens = [person(folder / "tokens.json", f"person {k + 1}") for k in range(10)]
    files = {name: folder / f"{name}.csv" for name in ("reference", "guesses")}
    with label_server(
        folder, crop_set.path, **files, tokens=folder / "tokens.json", repeat_share=0,
        double_share=0,
    ) as server:  # fmt: skip
        yield Desk(server, tokens)


@pytest.fixture
def server(desk: Desk) -> Desk:
    return desk.next_person()


class Page(Window):
    """A browser window on the page, used by keyboard alone."""

    def __init__(self, browser, url: str, size: str = "desktop", token: str | None = None) -> None:
        super().__init__(browser, f"{url}/label", size)
        if token is not None:
            self.page.wait_for_selector("#token:focus")
            self.page.keyboard.type(token)
            self.page.keyboard.press("Enter")
        self.wait_for_task(None)

    def task(self) -> str | None:
        return self.page.evaluate("document.body.dataset.task ?? null")

    def wait_for_task(self, before: str | None) -> None:
        self.page.wait_for_function(
            "before => (document.body.dataset.task ?? null) !== before", arg=before
        )

    def press(self, key: str) -> None:
        """Press a key that answers, and wait for the next crater."""
        before = self.task()
        self.page.keyboard.press(key)
        self.wait_for_task(before)

    def wait_until_saved(self, text: str = "all saved") -> None:
        self.page.wait_for_function(
            "text => document.getElementById('saved').textContent === text", arg=text
        )


@pytest.fixture
def open_page(browser) -> Iterator:
    opened: list[Page] = []

    def open_page(*args, **options) -> Page:
        opened.append(Page(browser, *args, **options))
        return opened[-1]

    yield open_page
    for page in opened:
        assert page.faults == []
        page.context.close()


@pytest.mark.parametrize("size", SIZES)
def test_craters_are_labelled_by_keyboard_alone(server: Desk, open_page, size: str) -> None:
    page = open_page(server.url, size, server.token)
    for key in "12340x":
        page.press(key)
    page.page.keyboard.press("n")
    page.page.keyboard.type("double rim 3 u")  # keys of answers and commands are text here
    page.page.keyboard.press("Enter")
    page.press("3")
    page.press("u")
    assert page.page.input_value("#note") == "double rim 3 u"  # it goes with the next answer, too
    assert page.page.is_visible("#note")
    page.press("4")
    assert page.page.input_value("#note") == ""
    page.wait_until_saved()
    votes = server.votes()
    said = ["New", "Semi-New", "Semi-Old", "Old", "cannot tell", "not a crater", "Semi-Old"]
    assert votes["value"].tolist()[:7] == said
    assert pd.isna(votes["value"][7])
    assert votes["supersedes"][7] == votes["vote_id"][6]
    assert votes["note"].tolist() == [""] * 6 + ["double rim 3 u", "", "double rim 3 u"]
    assert current_votes(votes)["value"].tolist() == [*said[:6], "Old"]
    assert votes["crater_id"][8] == votes["crater_id"][6]
    assert votes["seconds"].between(0, 60).all()
    assert votes["sun_azimuth_deg"].notna().any()
    width = SIZES[size][0]
    assert page.page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("size", SIZES)
def test_picture_facts_and_examples_are_there_and_the_answers_within_reach(
    server: Desk, open_page, size: str
) -> None:
    page = open_page(server.url, size, server.token)
    assert page.page.evaluate("document.getElementById('crop').naturalWidth") == 32
    assert page.page.evaluate("document.getElementById('native').clientWidth") > 0
    assert "km across" in page.text("#facts")
    assert "Sun from the" in page.text("#facts")
    assert "2nd to its 98th percentile" in page.text("#stretch")
    assert page.page.locator(".state").count() == 4
    page.page.wait_for_function(
        "() => document.querySelectorAll('.state .thumbs img[src]').length == 12"
    )
    height = SIZES[size][1]
    for selector in (".state", "#cannot", "#none"):
        box = page.page.locator(selector).last.bounding_box()
        assert box["y"] + box["height"] <= height, selector
    page.page.keyboard.press("m")
    assert "crisp shadow" in page.text("#guide")
    page.page.keyboard.press("Escape")
    page.page.keyboard.press("z")
    assert page.page.get_attribute("#zoom", "aria-pressed") == "true"
    assert {url.split("/")[2] for url in page.requests if "://" in url and url[0] == "h"} == {
        server.url.split("/")[2]
    }


def test_rim_and_common_stretch_by_key(server: Desk, open_page) -> None:
    page = open_page(server.url, token=server.token)
    assert not page.page.is_visible(".rim circle >> nth=1")
    page.page.keyboard.press("r")
    assert page.page.is_visible(".rim circle >> nth=1")
    circle = page.page.locator(".rim circle").nth(1).bounding_box()
    frame = page.page.locator("#frame").bounding_box()
    assert circle["width"] == pytest.approx(frame["width"] / 1.5, rel=0.02)  # the crop is 1.5 wide
    before = page.page.evaluate(_PIXELS)
    page.page.keyboard.press("c")
    assert "stretched alike" in page.text("#stretch")
    page.page.wait_for_function(f"before => ({_PIXELS})() !== before", arg=before)
    task = page.task()
    page.press("2")
    page.wait_until_saved()
    assert page.task() != task
    assert "stretched alike" in page.text("#stretch")  # until it is taken back
    page.page.keyboard.press("c")
    assert "2nd to its 98th percentile" in page.text("#stretch")


def test_the_model_is_silent_before_the_answer(server: Desk, open_page) -> None:
    page = open_page(server.url, token=server.token)
    assert not page.page.is_visible("#last")
    assert not any("/after/" in url for url in page.requests)
    page.press("1")
    page.wait_until_saved()
    page.page.wait_for_timeout(300)
    assert "Model" not in page.text("#last")  # nobody asked
    page.page.keyboard.press("g")
    page.page.wait_for_function(
        "() => document.getElementById('last').innerText.includes('Model: ')"
    )
    page.press("u")
    page.press("2")
    page.wait_until_saved()
    assert server.votes()["blind"].tolist() == [True, False, False]


def test_the_answers_stay_in_place_however_long_the_facts_are(server: Desk, open_page) -> None:
    page = open_page(server.url, token=server.token)
    place = "() => document.getElementById('states').getBoundingClientRect().left"
    left = []
    for text in ("Sun.", "Sun from the upper left, and more words than fit. " * 4):
        page.page.evaluate("text => { document.getElementById('facts').textContent = text }", text)
        left.append(page.page.evaluate(place))
    assert left[0] == left[1]


def test_another_crop_set_shows_its_own_pictures(
    crop_set: CropSet, tmp_path: Path, browser
) -> None:
    other = _same_ids(make_crop_set_folder(tmp_path / "other", n=400, seed=7), crop_set)
    asked = tmp_path / "crops"
    shutil.copytree(crop_set.path, asked)
    context, shown = browser.new_context(), []
    with label_server(tmp_path / "server", asked) as server:
        for crops in (None, other):
            if crops is not None:
                server.kill()
                shutil.copytree(crops.path, asked, dirs_exist_ok=True)
                server.start()
            page = context.new_page()
            page.goto(f"{server.url}/label")
            page.wait_for_function("() => document.body.dataset.task")
            shown.append(page.evaluate(_PIXELS))
            page.close()
    context.close()
    assert shown[0] != shown[1]  # neither the browser's cache nor ours confuses them


def test_a_new_token_of_the_same_person_sends_what_waits(
    crop_set: CropSet, tmp_path: Path, open_page
) -> None:
    file = tmp_path / "tokens.json"
    old = person(file, "ada")
    with label_server(tmp_path / "server", crop_set.path, tokens=file) as server:
        page = open_page(server.url, token=old)
        revoke_token(file, name="ada")
        new, ben = person(file, "ada"), person(file, "ben")
        wait_for(lambda: _refused(server.url, old))
        page.press("1")
        page.wait_until_saved("offline · 1 to send")
        for token, message in ((ben, "Answers of ada are not sent yet"), ("bad", "valid token")):
            page.page.evaluate("document.getElementById('more').open = true")
            page.page.fill("#token", token)
            page.page.press("#token", "Enter")
            page.page.wait_for_function(
                "text => document.getElementById('token-note').innerText.includes(text)",
                arg=message,
            )
        assert server.votes().empty
        page.page.fill("#token", new)
        page.page.press("#token", "Enter")
        page.wait_until_saved()
        assert server.votes()["labeller"].tolist() == ["ada"]


def test_offline_work_goes_on_and_nothing_is_lost(server: Desk, open_page) -> None:
    page = open_page(server.url, token=server.token)
    page.page.wait_for_function("() => navigator.serviceWorker.controller !== null")
    page.page.wait_for_load_state("networkidle")
    page.press("1")
    page.wait_until_saved()
    page.context.set_offline(True)
    for key in "2341":
        page.press(key)
    page.wait_until_saved("offline · 4 to send")
    page.page.reload()
    page.wait_for_task(None)
    page.press("x")
    page.wait_until_saved("offline · 5 to send")
    page.context.set_offline(False)
    page.wait_until_saved()
    values = ["New", "Semi-New", "Semi-Old", "Old", "New", "not a crater"]
    votes = server.votes()
    assert votes["value"].tolist() == values
    assert votes["crater_id"].is_unique
    page.press("2")
    page.wait_until_saved()
    assert len(server.votes()) == 7


def test_a_page_that_began_without_the_worker_gets_it(server: Desk, open_page) -> None:
    page = open_page(server.url, token=server.token)
    page.page.wait_for_function("() => navigator.serviceWorker.controller !== null")
    page.context.new_cdp_session(page.page).send("Page.reload", {"ignoreCache": True})
    page.page.wait_for_load_state("networkidle")
    page.page.wait_for_function("() => navigator.serviceWorker.controller !== null")


def test_two_browsers_label_at_once_while_the_server_is_killed(
    browser, crop_set: CropSet, tmp_path: Path, open_page
) -> None:
    tokens = tmp_path / "tokens.json"
    ada, ben = person(tokens, "ada"), person(tokens, "ben")
    with label_server(
        tmp_path / "server", crop_set.path, tokens=tokens, repeat_share=0, double_share=0.3
    ) as server:
        pages = [open_page(server.url, "desktop", ada), open_page(server.url, "phone", ben)]
        for page in pages:
            page.page.wait_for_load_state("networkidle")  # pictures are there ahead
        for turn in range(12):
            if turn in (4, 8):
                server.kill()
            if turn in (6, 10):
                server.start()
            for page, key in zip(pages, "14", strict=True):
                page.press(key)
        for page in pages:
            page.wait_until_saved()
        votes = server.votes()
        log = server.log.read_text()
    assert votes["vote_id"].is_unique
    assert votes.groupby("labeller")["value"].agg(list).to_dict() == {
        "ada": ["New"] * 12, "ben": ["Old"] * 12,
    }  # fmt: skip
    once = votes.drop_duplicates(["labeller", "crater_id"])
    assert len(once) == 24
    firsts = votes[votes["kind"] == "ordinary"]["crater_id"]
    assert firsts.is_unique  # nobody repeats another's work by chance
    assert ada not in log
    assert ben not in log


@pytest.mark.slow
def test_training_tells_right_from_wrong(
    browser, crop_set: CropSet, tmp_path: Path, open_page
) -> None:
    ids = crop_set.metadata["crater_id"][:3]
    gold = tmp_path / "gold.csv"
    pd.DataFrame({"CRATER_ID": ids, "state": ["Old"] * 3}).to_csv(gold, index=False)
    with label_server(tmp_path / "server", crop_set.path, gold=gold, gold_count=3) as server:
        page = open_page(server.url)
        assert "training: 3 to go" in page.text("#progress")
        page.press("4")
        page.page.wait_for_function(
            "() => document.querySelector('#last').innerText.includes('right')"
        )
        page.press("1")
        page.page.wait_for_function(
            "() => document.querySelector('#last').innerText.includes('it is Old')"
        )
        page.press("4")
        page.press("4")
        page.wait_until_saved()
        assert server.votes()["kind"].tolist() == ["gold"] * 3 + ["ordinary"]


@pytest.mark.slow
def test_the_end_is_said_and_can_be_undone(crop_set: CropSet, tmp_path: Path, open_page) -> None:
    order = tmp_path / "order.csv"
    crop_set.metadata[["crater_id"]][:2].to_csv(order, index=False)
    with label_server(tmp_path / "server", crop_set.path, order=order, repeat_share=0) as server:
        page = open_page(server.url)
        page.press("1")
        page.page.keyboard.press("2")
        page.page.wait_for_selector("#done:not([hidden])")
        page.page.keyboard.press("u")
        page.page.wait_for_selector("#work:not([hidden])")
        page.page.wait_for_function("() => document.getElementById('crop').complete")
        page.page.keyboard.press("3")
        page.page.wait_for_selector("#done:not([hidden])")
        page.wait_until_saved()
        assert current_votes(server.votes())["value"].tolist() == ["New", "Semi-Old"]


def test_refused_answers_are_named_sent_again_or_deleted(open_page, server: Desk) -> None:
    page = open_page(server.url, token=server.token).page
    page.evaluate(
        """() => localStorage.setItem("lunar-label:vote:000000000000001:x", JSON.stringify({
          vote_id: "7b5a1f0e-0000-4000-8000-000000000001", task_id: "none", crater_id: "nowhere",
          value: "New", scheme_version: 1, time_utc: "2026-01-02T03:04:05Z", seconds: 1,
          blind: true, note: "", supersedes: null}))"""
    )
    page.keyboard.press("1")
    page.wait_for_function("() => document.getElementById('saved').textContent === '1 refused'")
    page.click("#more summary")
    assert "nowhere, New: There is no such crater." in page.inner_text("#refused")
    page.click("#resend")
    page.wait_for_function("() => document.getElementById('saved').textContent === '1 refused'")
    page.click("#drop")
    assert page.inner_text("#saved") == "all saved"
    assert page.is_hidden("#refused-box")
    assert page.is_hidden("#relabel-box")  # this person does not decide
    assert len(server.votes()) == 1


def test_a_decision_is_named_and_only_to_who_has_not_labelled_the_crater(
    open_page, crop_set: CropSet, tmp_path: Path
) -> None:
    """Ben, who has both scopes, differs from ada: cleo decides, and ben is told nothing."""
    file, order = tmp_path / "tokens.json", tmp_path / "order.csv"
    crop_set.metadata[["crater_id"]][:2].to_csv(order, index=False)
    ada, ben, cleo = person(file, "ada"), *(person(file, n, "adjudicate") for n in ("ben", "cleo"))
    with label_server(
        tmp_path, crop_set.path, tokens=file, order=order, double_share=1, repeat_share=0
    ) as team:
        for token, key in ((ada, "1"), (ben, "4")):
            page = open_page(team.url, token=token)
            page.press(key)
            page.page.wait_for_function(
                "() => document.getElementById('progress').textContent.startsWith('1 answer ')"
            )
            assert "to decide" not in page.text("#progress")
            assert "Decision" not in page.text("#question")
        page = open_page(team.url, "phone", token=cleo)
        assert page.text("#question").startswith("Decision, the labels differ: ")
        assert "1 to decide" in page.text("#progress")
        page.page.keyboard.press("3")
        page.page.wait_for_selector("#done:not([hidden])")
        page.wait_until_saved()
        votes = team.votes()
        assert votes["kind"].tolist() == ["ordinary", "second", "adjudication"]
        assert votes["labeller"].tolist() == ["ada", "ben", "cleo"]


def test_who_decides_is_told_how_to_fit_the_model(
    open_page, crop_set: CropSet, tmp_path: Path
) -> None:
    judge = person(tmp_path / "tokens.json", "judge", "adjudicate")
    with label_server(tmp_path, crop_set.path, tokens=tmp_path / "tokens.json") as alone:
        page = open_page(alone.url, "phone", token=judge).page
        page.click("#more summary")
        page.click("#relabel")
        page.wait_for_function("() => document.getElementById('relabel-note').textContent !== ''")
        assert "mlflow run . -e relabel" in page.inner_text("#relabel-note")
