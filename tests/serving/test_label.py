"""The routes of /label: who may do what, what is refused, and that nothing is lost."""

import io
import os
import shutil
import threading
import uuid
from pathlib import Path
from urllib.parse import quote

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner
from fastapi.testclient import TestClient
from helpers import make_crop_set_folder
from label_server import person
from live_server import live_server, wait_for
from PIL import Image
from service_parts import Parts

from lunar_models.config.label import LabelServeConfig, read_label_config
from lunar_models.crops.crop_set import METADATA_FILE, CropSet
from lunar_models.crops.display import display_crop
from lunar_models.errors import ConfigError, LabelsError, LabelStoreError
from lunar_models.labelling import LabelStore, current_votes
from lunar_models.labelling.agreement import first_answers, rank_votes
from serving.app.label_application import create_label_app
from serving.app.labelling import open_labelling
from serving.app.relabelling import Relabelling
from serving.app.tokens import create_token
from serving.cli.label import main


@pytest.fixture(scope="module")
def crop_set(tmp_path_factory: pytest.TempPathFactory) -> CropSet:
    return make_crop_set_folder(tmp_path_factory.mktemp("label") / "crops", n=80)


class Api:
    def __init__(self, folder: Path, crop_set: CropSet, **options) -> None:
        folder.mkdir(exist_ok=True)
        self.file = folder / "tokens.json"
        self.token = person(self.file, "ada")
        self.reader = create_token(self.file, name="reader", scopes=["read", "predict"])
        self.store_path = folder / "labels.db"
        self.config = LabelServeConfig(
            crops=str(crop_set.path), store=str(self.store_path), tokens=str(self.file), **options
        )
        self.client = TestClient(create_label_app(self.config), base_url="http://label.test")

    def get(self, path: str, token: str | None = None, **options):
        return self.client.get(path, headers=self._headers(token), **options)

    def tasks(self, count: int = 1, token: str | None = None) -> list[dict]:
        return self.get(f"/v1/label/tasks?count={count}", token).json()["tasks"]

    def vote(self, task: dict, value: str | None = "New", **fields) -> dict:
        return {
            "vote_id": str(uuid.uuid4()), "task_id": task["task_id"],
            "crater_id": task["crater_id"], "value": value, "scheme_version": 1,
            "time_utc": "2026-01-02T03:04:05.678Z", "seconds": 1.5,
        } | fields  # fmt: skip

    def send(self, *votes: dict, token: str | None = None, **headers: str):
        sent = self._headers(token) | headers
        return self.client.post("/v1/label/votes", json={"votes": list(votes)}, headers=sent)

    def votes(self) -> pd.DataFrame:
        return LabelStore(self.store_path).votes()

    def _headers(self, token: str | None) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token if token is None else token}"}


@pytest.fixture
def api(crop_set: CropSet, tmp_path: Path) -> Api:
    return Api(tmp_path, crop_set, repeat_share=0.0, double_share=1.0)


def test_a_vote_has_name_scheme_and_light_from_the_server(api: Api, crop_set: CropSet) -> None:
    (task,) = api.tasks()
    receipts = api.send(api.vote(task, note="rayed")).json()["receipts"]
    assert [receipt["outcome"] for receipt in receipts] == ["stored"]
    row = api.votes().iloc[0]
    assert (row["labeller"], row["scheme"], row["kind"]) == ("ada", "degradation", "ordinary")
    assert row["time_utc"] == pd.Timestamp("2026-01-02T03:04:05.678Z")
    crater = crop_set.metadata.set_index("crater_id").loc[task["crater_id"]]
    assert row["sun_azimuth_deg"] == pytest.approx(crater["sun_azimuth_deg"])
    assert row["mirrored"] == crater["flipped"]
    assert task["sun_in_picture_deg"] == pytest.approx(_in_picture(crater))


def _in_picture(crater: pd.Series) -> float:
    """Where the Sun is in the picture, by turning its direction as the crop was turned."""
    angle = np.radians(crater["sun_azimuth_deg"] + crater["rotation_deg"])
    east, north = np.sin(angle), np.cos(angle)
    east = -east if crater["flipped"] else east
    return float(np.degrees(np.arctan2(east, north)) % 360)


def test_a_lost_reply_costs_nothing(api: Api) -> None:
    tasks = api.tasks(3)
    votes = [api.vote(task) for task in tasks]
    api.send(*votes[:2])
    outcomes = [r["outcome"] for r in api.send(*votes).json()["receipts"]]
    assert outcomes == ["known", "known", "stored"]
    assert len(api.votes()) == 3


def test_a_refused_vote_says_why_and_holds_up_no_other(api: Api) -> None:
    first, second = api.tasks(2)
    bad = [
        api.vote(first, "Ancient"), api.vote(first, crater_id="nowhere"),
        api.vote(first, vote_id="7"), api.vote(first, seconds=-1.0),
        api.vote(first, note="x" * 1001), api.vote(first, time_utc="yesterday"),
        api.vote(first, time_utc="0001-01-01T00:00:00+14:00"),
        api.vote(first, scheme_version=2), api.vote(first, None),
        api.vote(first, supersedes=str(uuid.uuid4())), api.vote(first, task_id="guessed"),
    ]  # fmt: skip
    receipts = api.send(*bad, api.vote(second)).json()["receipts"]
    assert [r["outcome"] for r in receipts] == ["refused"] * len(bad) + ["stored"]
    assert all(r["reason"] for r in receipts[:-1])
    assert "Ancient" in receipts[0]["reason"]
    assert api.votes()["crater_id"].tolist() == [second["crater_id"]]


def test_a_repeat_that_was_not_handed_out_is_forbidden(crop_set: CropSet, tmp_path: Path) -> None:
    """Its name can be computed from what is known; one that a page has fetched ahead is taken."""
    api = Api(tmp_path, crop_set, repeat_share=1.0, repeat_gap=200, double_share=0.0)
    first, second = api.tasks(2)
    work = api.client.app.state.labelling.assignment
    early = first | {"task_id": work._task_id("ada", first["crater_id"], "repeat")}
    never = second | {
        "crater_id": (crater := crop_set.metadata["crater_id"].iloc[-1]),
        "task_id": work._task_id("ada", crater, "ordinary"),
    }
    assert crater not in {first["crater_id"], second["crater_id"]}
    assert api.send(api.vote(first)).status_code == 200
    for task in (early, never):
        reply = api.send(vote := api.vote(task))
        assert reply.status_code == 403
        (receipt,) = reply.json()["receipts"]
        assert (receipt["outcome"], receipt["status"]) == ("refused", 403)
        assert "has not been given to ada yet" in receipt["reason"]
    reply = api.send(api.vote(second), vote)  # the others are taken in
    assert reply.status_code == 200
    assert [r["status"] for r in reply.json()["receipts"]] == [200, 403]
    assert api.votes()["kind"].tolist() == ["ordinary", "ordinary"]
    assert early["task_id"] in {task["task_id"] for task in api.tasks(200)}
    again = Api(tmp_path / "again", crop_set)  # a server that has started anew on the same store
    again.client = TestClient(create_label_app(api.config), base_url="http://label.test")
    again.token, again.store_path = api.token, api.store_path
    assert again.send(api.vote(early)).json()["receipts"][0]["outcome"] == "stored"
    assert api.votes()["kind"].tolist()[-1] == "repeat"


def test_a_note_with_a_nul_is_refused(api: Api) -> None:
    (task,) = api.tasks()
    reply = api.send(api.vote(task, note="a\0b"))
    assert reply.status_code == 422
    assert "NUL" in reply.json()["receipts"][0]["reason"]
    assert api.votes().empty


def test_what_is_withheld_does_not_tell_what_comes_again(crop_set: CropSet, tmp_path: Path) -> None:
    """Twice as many craters that never come again are answered alike, and for as long."""
    api = Api(tmp_path, crop_set, repeat_share=0.2, repeat_gap=5, double_share=0.0)
    design = api.client.app.state.labelling.assignment._design
    withheld: dict[str, bool] = {}
    for _ in range(60):
        (task,) = api.tasks()
        crater = task["crater_id"]
        api.send(api.vote(task))
        reply = api.get(f"/v1/label/after/{crater}")
        if crater not in withheld:
            withheld[crater] = reply.status_code == 403
    repeated = {crater: design.repeats("ada", crater) for crater in withheld}
    assert all(withheld[crater] for crater in withheld if repeated[crater])
    decoys = [crater for crater in withheld if withheld[crater] and not repeated[crater]]
    assert len(decoys) > sum(repeated.values()) > 3
    replies = {api.get(f"/v1/label/after/{crater}").status_code for crater in decoys[:3]}
    assert replies == {200}  # 15 answers later there is nothing left to tell


def test_requests_are_bounded(api: Api) -> None:
    (task,) = api.tasks()
    assert api.send(*[api.vote(task)] * 51).status_code == 422
    assert api.send().status_code == 422
    assert api.get("/v1/label/tasks?count=201").status_code == 422
    assert api.send(api.vote(task, note="x" * 2**20)).status_code == 413
    assert api.get("/v1/label/crops/nowhere.png").status_code == 404
    assert api.votes().empty


def test_only_people_with_a_labelling_token_and_never_from_another_site(api: Api) -> None:
    (task,) = api.tasks()
    for path in ("setup", "tasks", "crops/x.png", "after/x"):
        assert api.get(f"/v1/label/{path}", token="wrong").status_code == 401, path
        assert api.get(f"/v1/label/{path}", token=api.reader).status_code == 403, path
    assert api.send(api.vote(task), token="wrong").status_code == 401
    assert api.send(api.vote(task), **{"sec-fetch-site": "cross-site"}).status_code == 403
    assert api.send(api.vote(task), **{"content-type": "text/plain"}).status_code == 415
    assert api.votes().empty
    assert (
        api.client.get("/label").headers["content-security-policy"].startswith("default-src 'self'")
    )


def test_others_are_seen_only_after_ones_own_label(crop_set: CropSet, tmp_path: Path) -> None:
    guesses = tmp_path / "guesses.csv"
    ids = crop_set.metadata["crater_id"]
    pd.DataFrame({"CRATER_ID": ids, "state": ["Old"] * len(ids)}).to_csv(guesses, index=False)
    ben = person(tmp_path / "tokens.json", "ben")
    api = Api(tmp_path, crop_set, repeat_share=0.0, double_share=1.0, guesses=str(guesses))
    (task,) = api.tasks()
    path = f"/v1/label/after/{task['crater_id']}"
    assert set(task) == {
        "task_id", "crater_id", "diameter_km", "native_px", "sun_azimuth_deg",
        "sun_azimuth_std_deg", "sun_in_picture_deg", "incidence_deg", "rotation_deg", "mirrored",
        "examples", "decision",
    }  # fmt: skip
    assert task["decision"] is False
    assert api.get(path).status_code == 403
    api.send(api.vote(task, note="secret"))
    assert api.get(path).json()["guess"] == "Old"
    assert api.get(path).json()["others"] == []
    reply = api.get(path, token=ben)
    assert reply.status_code == 403
    assert "secret" not in reply.text
    (same,) = api.tasks(token=ben)
    assert same["crater_id"] == task["crater_id"]
    api.send(api.vote(same, "Old"), token=ben)
    assert api.get(path, token=ben).json()["others"] == [
        {"labeller": "ada", "value": "New", "note": "secret"}
    ]


def test_the_server_knows_who_has_looked_whatever_the_page_says(
    crop_set: CropSet, tmp_path: Path
) -> None:
    guesses = tmp_path / "guesses.csv"
    ids = crop_set.metadata["crater_id"]
    pd.DataFrame({"CRATER_ID": ids, "state": ["Old"] * len(ids)}).to_csv(guesses, index=False)
    ben = person(tmp_path / "tokens.json", "ben")
    api = Api(tmp_path, crop_set, repeat_share=0.0, double_share=1.0, guesses=str(guesses))
    task, other = api.tasks(2)
    first, untouched = api.vote(task), api.vote(other)
    api.send(first, untouched)
    api.send(api.vote(api.tasks(token=ben)[0], "Old"), token=ben)
    path = f"/v1/label/after/{task['crater_id']}"
    assert api.get(path, token=api.reader).status_code == 403
    training = api.get(f"{path}?others=false").json()
    assert (training["guess"], training["others"]) == (None, [])
    assert LabelStore(api.store_path).looks().empty
    assert api.get(path).json()["others"]
    lie = api.vote(task, "Old", blind=True, supersedes=first["vote_id"])
    again = api.vote(other, "Old", blind=True, supersedes=untouched["vote_id"])
    for outcome in ("stored", "known"):  # sent twice, after a lost reply
        receipts = api.send(lie, again, first).json()["receipts"]
        assert [receipt["outcome"] for receipt in receipts] == [outcome, outcome, "known"]
    blind = api.votes().set_index("vote_id")["blind"]
    assert not blind[lie["vote_id"]]
    assert blind[[first["vote_id"], again["vote_id"]]].all()
    looks = LabelStore(api.store_path).looks()
    assert looks[["crater_id", "labeller"]].drop_duplicates().to_numpy().tolist() == [
        [task["crater_id"], "ada"]
    ]
    assert sorted(zip(looks["shown"], looks["whose"], looks["value"], strict=True)) == [
        ("guess", "guesses", "Old"), ("label", "ben", "Old"),
    ]  # fmt: skip
    votes = rank_votes(current_votes(api.votes()), ("New", "Semi-New", "Semi-Old", "Old"))
    # The corrected label counts for nothing where people are compared.
    assert len(first_answers(votes)) == 2


def test_pictures_are_the_crops_stretched(api: Api, crop_set: CropSet) -> None:
    (task,) = api.tasks()
    row = crop_set.metadata["crater_id"].tolist().index(task["crater_id"])
    expected = display_crop(np.array(crop_set.crops[row]))
    for kind in ("crops", "pictures"):
        reply = api.get(f"/v1/label/{kind}/{task['crater_id']}.png")
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(reply.content))), expected)
    assert api.get(f"/v1/label/surroundings/{task['crater_id']}.png").status_code == 404


def _named(crop_set: CropSet, folder: Path, first: list[str]) -> CropSet:
    """A copy whose first craters have other ids."""
    shutil.copytree(crop_set.path, folder)
    table = gpd.read_parquet(folder / METADATA_FILE)
    table["crater_id"] = [*first, *table["crater_id"][len(first) :]]
    table.to_parquet(folder / METADATA_FILE)
    return CropSet.open(folder)


def test_craters_of_any_name_can_be_labelled(crop_set: CropSet, tmp_path: Path) -> None:
    names = ["a/b", "Théophile 1", "50%", "x?y#z", "<b>&"]
    odd = _named(crop_set, tmp_path / "odd", names)
    order = tmp_path / "order.csv"
    pd.DataFrame({"CRATER_ID": names}).to_csv(order, index=False)
    api = Api(tmp_path, odd, order=str(order), repeat_share=0.0)
    tasks = api.tasks(9)
    assert [task["crater_id"] for task in tasks] == names
    for task in tasks:
        name = quote(task["crater_id"], safe="")  # as encodeURIComponent
        for kind in ("crops", "pictures"):
            assert api.get(f"/v1/label/{kind}/{name}.png").status_code == 200, name
        assert api.send(api.vote(task)).json()["receipts"][0]["outcome"] == "stored"
        assert api.get(f"/v1/label/after/{name}").json()["crater_id"] == task["crater_id"]


def test_an_id_that_no_vote_could_hold_is_refused(crop_set: CropSet, tmp_path: Path) -> None:
    long = _named(crop_set, tmp_path / "long", ["y" * 101])
    with pytest.raises(LabelsError, match="longer than 100"):
        Api(tmp_path, long)


def test_examples_are_of_a_similar_size_and_never_asked_about(
    crop_set: CropSet, tmp_path: Path
) -> None:
    ids = crop_set.metadata["crater_id"][:40].tolist()
    states = [k % 4 + 1 for k in range(40)]
    reference = tmp_path / "reference.csv"
    pd.DataFrame({"CRATER_ID": ids, "state": states}).to_csv(reference, index=False)
    api = Api(tmp_path, crop_set, reference=str(reference))
    tasks = api.tasks(200)
    assert len(tasks) == 40
    assert not {t["crater_id"] for t in tasks} & set(ids)
    diameter = crop_set.metadata.set_index("crater_id")["diameter_km"]
    examples = tasks[0]["examples"]["Semi-New"]
    away = np.abs(np.log(diameter[ids[1::4]] / tasks[0]["diameter_km"]))
    assert set(examples) == set(away.nsmallest(3).index)


def test_a_store_that_fails_is_a_reason_to_send_again(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    (task,) = api.tasks()

    def fail(*_: object) -> None:
        raise LabelStoreError("store=postgresql://user:***@host cannot be used")

    with monkeypatch.context() as patch:
        patch.setattr(LabelStore, "exclusive", fail)
        reply = api.send(api.vote(task))
    assert reply.status_code == 503
    assert reply.headers["retry-after"] == "2"
    assert "host" not in reply.text
    assert api.send(api.vote(task)).json()["receipts"][0]["outcome"] == "stored"


def test_the_model_server_has_the_page_too(
    bundle_folder: Path, crop_set: CropSet, tmp_path: Path
) -> None:
    file = tmp_path / "labelling.yaml"
    file.write_text(
        yaml.safe_dump({"crops": str(crop_set.path), "store": str(tmp_path / "labels.db")})
    )
    with live_server(tmp_path, bundle_folder, labelling=str(file)) as live:
        assert "Label craters" in live.get("/label").text
        assert live.get("/v1/label/setup").json()["labeller"] == "local"
        assert len(live.get("/v1/label/tasks?count=3").json()["tasks"]) == 3


def test_only_who_decides_fits_the_model_on_the_labels(crop_set: CropSet, tmp_path: Path) -> None:
    judge = create_token(tmp_path / "tokens.json", name="judge", scopes=["label", "adjudicate"])
    api = Api(tmp_path, crop_set)
    for method in (api.client.get, api.client.post):
        headers = {"authorization": f"Bearer {api.token}"}
        assert method("/v1/label/relabel", headers=headers).status_code == 403
    elsewhere = {"authorization": f"Bearer {judge}", "sec-fetch-site": "cross-site"}
    assert api.client.post("/v1/label/relabel", headers=elsewhere).status_code == 403
    told = api.client.post(
        "/v1/label/relabel", headers={"authorization": f"Bearer {judge}"}
    ).json()  # no encoder was named
    assert told["state"] == "unavailable"
    assert f"-e relabel --env-manager local -P votes={api.store_path}" in told["command"]


def test_the_button_starts_the_step_once(
    crop_set: CropSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    stand_in = tmp_path / "steps"
    stand_in.mkdir()
    (stand_in / "__init__.py").touch()
    (stand_in / "relabel.py").write_text(
        f"import sys\nopen({str(gate)!r}).read()\nprint(*sys.argv[1:])\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)  # where -m looks first
    step = Relabelling("labels.db", str(crop_set.path), "degradation", "pretrained:craters-48")
    other_worker = Relabelling("labels.db", str(crop_set.path), "degradation", "runs:/x/encoder")
    assert step.status().state == "idle"
    assert step.start().state == "started"
    assert [step.start().state, other_worker.start().state] == ["running", "running"]
    gate.write_text("go on")
    wait_for(lambda: other_worker.status().state == "idle")
    assert step.status().said == (
        f"--votes labels.db --crops {crop_set.path} --scheme degradation "
        "--encoder_uri pretrained:craters-48"
    )


def test_who_looks_keeps_nobody_from_starting(
    crop_set: CropSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages ask all the time; a start at that moment used to be told that the step runs."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "steps").mkdir()
    (tmp_path / "steps" / "__init__.py").touch()
    (tmp_path / "steps" / "relabel.py").write_text("print('done')\n")
    step = Relabelling("labels.db", str(crop_set.path), "degradation", "pretrained:craters-48")
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            step.status()

    onlookers = [threading.Thread(target=look) for _ in range(4)]
    for thread in onlookers:
        thread.start()
    try:
        for _ in range(5):
            assert step.start().state == "started"
            wait_for(lambda: step.status().state == "idle")
    finally:
        over.set()
        for thread in onlookers:
            thread.join()


def test_who_reads_the_models_answer_labels_no_longer_blind(
    bundle_folder: Path, crop_set: CropSet, parts: Parts, tmp_path: Path
) -> None:
    file, store = tmp_path / "labelling.yaml", tmp_path / "labels.db"
    parts_crops, crater = str(parts.crop_set.path), parts.crop_set.metadata["crater_id"].iloc[3]
    file.write_text(yaml.safe_dump({"crops": parts_crops, "store": str(store)}))
    with live_server(tmp_path, bundle_folder, labelling=str(file)) as live:
        assert live.get(f"/v1/craters/{crater}").json()["prediction"]["state"]
        assert live.get("/v1/craters/nowhere").status_code == 404
        # Of a crater to be labelled that the model does not know, nothing is shown.
        other = _named(crop_set, tmp_path / "other", ["elsewhere"])
        changed = read_label_config(file).model_copy(update={"crops": str(other.path)})
        live.app.state.labelling = open_labelling(changed)
        assert live.get("/v1/craters/elsewhere").status_code == 404
    (look,) = LabelStore(store).looks().to_dict("records")
    assert (look["crater_id"], look["labeller"], look["shown"]) == (crater, "local", "guess")


def test_the_model_server_without_a_labelling_says_so(bundle_folder: Path, tmp_path: Path) -> None:
    with live_server(tmp_path, bundle_folder) as live:
        assert live.get("/v1/label/tasks").json()["code"] == "no_labelling"


@pytest.mark.parametrize(
    ("text", "message"),
    [("crops: [", "cannot be read"), ("just text", "names and values"),
     ("1: x", "names and values"),
     ("crops: x\ndouble: 1", "double is not a parameter"),
     ("crops: x\ndouble_share: 2", "too large")],
)  # fmt: skip
def test_a_labelling_file_is_checked(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "labelling.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_label_config(tmp_path / "labelling.yaml")


def test_tables_that_do_not_fit_are_refused(crop_set: CropSet, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    ids = crop_set.metadata["crater_id"]
    for text, options, message in (
        ("CRATER_ID\nnowhere\n", ["order"], "have no crop"),
        (f"CRATER_ID\n{ids[0]}\n{ids[0]}\n", ["order"], "twice"),
        ("id\n1\n", ["order"], "no column CRATER_ID"),
        ("CRATER_ID,state\nnowhere,1\n", ["gold"], "has a crop"),
        (f"CRATER_ID,state\n{ids[0]},1\n", ["gold", "reference"], "both gold and reference"),
    ):
        table.write_text(text)
        with pytest.raises(LabelsError, match=message):
            Api(tmp_path / uuid.uuid4().hex, crop_set, **dict.fromkeys(options, str(table)))


def test_the_command_line(crop_set: CropSet, tmp_path: Path) -> None:
    run = CliRunner().invoke
    shown = run(main, ["--help"])
    assert shown.exit_code == 0
    assert "export" in shown.output
    assert "--double_share" in run(main, ["serve", "--help"]).output
    bad = run(main, [str(tmp_path), "--store", str(tmp_path / "labels.db")])
    assert bad.exit_code == 2
    assert "not a finished crop set" in bad.output
    source = tmp_path / "in.csv"
    source.write_text("CRATER_ID,state\na,1\nb,4\n")
    store = ["--store", str(tmp_path / "labels.db")]
    done = run(main, ["import", "--source", str(source), *store])
    assert "2 votes added" in done.output, done.output
    out = tmp_path / "out.csv"
    missing = run(main, ["export", "--output", str(out), "--store", str(tmp_path / "lables.db")])
    assert missing.exit_code == 2
    assert "lables.db does not exist" in missing.output
    assert not (tmp_path / "lables.db").exists()  # a slip makes no empty store
    assert run(main, ["export", "--output", str(out), *store]).exit_code == 0
    assert out.read_text().splitlines()[0] == "CRATER_ID,state,state_name,votes,basis"


def test_a_new_order_is_followed_and_a_broken_one_is_not(
    crop_set: CropSet, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ids = crop_set.metadata["crater_id"].tolist()
    order = tmp_path / "order.csv"

    def write(craters: list[str]) -> None:
        pd.DataFrame({"CRATER_ID": craters}).to_csv(tmp_path / "order.new", index=False)
        (tmp_path / "order.new").replace(order)

    def asked(count: int = 4) -> list[str]:
        return [task["crater_id"] for task in api.tasks(count)]

    write(ids[:4])
    api = Api(tmp_path / "label", crop_set, order=str(order), repeat_share=0.0, double_share=0.0)
    first = api.tasks(4)
    assert [task["crater_id"] for task in first] == ids[:4]
    assert api.send(api.vote(first[0])).json()["receipts"][0]["outcome"] == "stored"
    write([ids[0], *ids[10:14]])
    wait_for(lambda: asked() == ids[10:14])
    # An answer that a page held is kept; it is no task of the new order.
    assert api.send(api.vote(first[1])).json()["receipts"][0]["outcome"] == "stored"
    write(["nowhere"])
    wait_for(lambda: "the order cannot be read again" in caplog.text or not asked())
    assert asked() == ids[10:14]
    assert api.votes()["crater_id"].tolist() == ids[:2]
