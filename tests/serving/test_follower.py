"""The last good model serves, whatever becomes of the registry, the newest version or the cache."""

import errno
import json
import os
import shutil
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from live_server import live_server, wait_for
from safetensors.numpy import load_file, save_file

from lunar_models.errors import CheckpointError
from serving.app import follower as module
from serving.app.follower import Follower
from serving.app.model_cache import ModelCache
from serving.app.pointer import Pointer
from serving.app.trial import try_model
from serving.model.bundle import Bundle
from serving.model.seal import BUNDLE_FILE, digests


class Registry:
    """Versions as folders; `champion` is the alias's version, None: out of reach."""

    def __init__(self, folder: Path, bundle: Path) -> None:
        self.folder, self.champion, self.downloads = folder, "1", 0
        for version in "123":
            shutil.copytree(bundle, folder / version)

    def get_model_version_by_alias(self, name: str, alias: str) -> SimpleNamespace:
        if self.champion is None:
            raise ConnectionError("postgresql://user@secret-host:5432/mlflow refused")
        return SimpleNamespace(version=self.champion, source=f"models:/m-{self.champion}")

    def download(self, cache: ModelCache, key: str, uri: str) -> Path:
        self.downloads += 1
        target = cache.folder / f"{key}-{self.downloads}"
        return Path(shutil.copytree(self.folder / uri.rpartition("/")[2], target))


@pytest.fixture
def registry(bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    registry = Registry(tmp_path / "registry", bundle_folder)
    monkeypatch.setattr(module, "_client", lambda: registry)
    monkeypatch.setattr(ModelCache, "download", lambda *a: registry.download(*a))
    return registry


@pytest.fixture
def verdicts(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Reasons to refuse a folder, by the version that it was copied from."""
    reasons: dict[str, str] = {}

    def judge(folder: Path, seconds: float) -> str | None:
        mark = folder / "version"
        return reasons.get(mark.read_text()) if mark.is_file() else None

    monkeypatch.setattr(module, "try_model", judge)
    return reasons


def follow(tmp_path: Path) -> Follower:
    return Follower("models:/craters@champion", tmp_path / "cache", 0.1)


def looked(tmp_path: Path, follower: Follower | None = None) -> Pointer:
    follower = follower or follow(tmp_path)
    follower.look()
    return Pointer.read(follower.file)


def damage(pointer: Pointer) -> None:
    file = Path(str(pointer.folder)) / "neighbours" / "embeddings.npy"
    file.write_bytes(file.read_bytes()[:-100])


def refuse(registry: Registry, verdicts: dict[str, str], version: str) -> None:
    """Have a version fail its trial."""
    folder = registry.folder / version
    (folder / "version").write_text(version)
    seal_again(folder)
    verdicts[version] = "it is bad"


def seal_again(folder: Path) -> None:
    content = json.loads((folder / BUNDLE_FILE).read_text())
    content["sha256"] = digests(folder)
    (folder / BUNDLE_FILE).write_text(json.dumps(content))


def test_the_alias_is_followed(registry: Registry, verdicts: dict, tmp_path: Path) -> None:
    follower = follow(tmp_path)
    assert looked(tmp_path, follower).version == "1"
    registry.champion = "2"
    pointer = looked(tmp_path, follower)
    assert (pointer.version, pointer.previous["version"]) == ("2", "1")


def test_refused_versions_leave_the_last_good_one(
    registry: Registry, verdicts: dict, tmp_path: Path
) -> None:
    follower = follow(tmp_path)
    good = looked(tmp_path, follower)
    for version in "23":
        refuse(registry, verdicts, version)
        registry.champion = version
        pointer = looked(tmp_path, follower)
        assert (pointer.version, pointer.newest, pointer.refused) == ("1", version, "it is bad")
        assert Bundle.load(str(pointer.folder))
    downloads = registry.downloads
    looked(tmp_path, follower)
    assert registry.downloads == downloads  # not again and again
    again = looked(tmp_path)  # a restart
    assert (again.folder, again.version) == (good.folder, "1")


def test_a_damaged_copy_is_downloaded_again(
    registry: Registry, verdicts: dict, tmp_path: Path
) -> None:
    running = follow(tmp_path)
    first = looked(tmp_path, running)
    damage(first)
    second = looked(tmp_path, running)
    assert second.folder != first.folder
    damage(second)
    third = looked(tmp_path)  # found at the start, too
    assert (third.version, third.problem) == ("1", None)
    assert Bundle.load(str(third.folder))


def test_a_damaged_copy_without_registry_falls_back(
    registry: Registry, verdicts: dict, tmp_path: Path
) -> None:
    follower = follow(tmp_path)
    looked(tmp_path, follower)
    registry.champion = "2"
    damage(looked(tmp_path, follower))
    registry.champion = None
    pointer = looked(tmp_path)
    assert pointer.version == "1"
    assert "secret-host" not in str(pointer.problem)
    assert "ConnectionError" in str(pointer.problem)


@pytest.mark.parametrize("text", ["", '{"folder": "/tm', "[]", '{"folder": 5}', '{"old": 1}'])
def test_a_half_written_pointer_is_no_obstacle(
    registry: Registry, verdicts: dict, tmp_path: Path, text: str
) -> None:
    file = follow(tmp_path).file
    file.write_text(text)
    assert looked(tmp_path).version == "1"


def test_a_full_disk_does_not_end_the_thread(
    registry: Registry, verdicts: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = follow(tmp_path)
    looked(tmp_path, follower)
    full = OSError(errno.ENOSPC, "No space left on device")

    def fail(*_: object) -> Path:
        raise full

    with monkeypatch.context() as patch:
        patch.setattr(ModelCache, "download", fail)
        registry.champion = "2"
        pointer = looked(tmp_path, follower)
        assert (pointer.version, pointer.problem) == ("1", "The disk of the model cache is full.")
    stop = threading.Event()
    thread = threading.Thread(target=follower.run, args=(stop,))
    with monkeypatch.context() as patch:
        patch.setattr(Pointer, "write", fail)
        thread.start()
        wait_for(lambda: registry.downloads >= 2)
    wait_for(lambda: Pointer.read(follower.file).version == "2")
    stop.set()
    thread.join()


def test_a_trial_survives_what_would_end_a_worker(bundle_folder: Path, tmp_path: Path) -> None:
    """An index whose links lead nowhere ends the process that reads it, digests or not."""
    folder = Path(shutil.copytree(bundle_folder, tmp_path / "damaged"))
    index = folder / "neighbours" / "index.usearch"
    data = bytearray(index.read_bytes())
    data[len(data) // 3 :] = os.urandom(len(data) - len(data) // 3)
    index.write_bytes(data)
    seal_again(folder)
    assert try_model(folder, 120.0)
    assert try_model(bundle_folder, 120.0) is None


def test_a_trial_has_an_end(bundle_folder: Path) -> None:
    assert try_model(bundle_folder, 0.05) == "Trying it took over 0.05 s."


def test_models_with_nan_or_without_golden_crops_are_refused(
    bundle_folder: Path, tmp_path: Path
) -> None:
    bare = Path(shutil.copytree(bundle_folder, tmp_path / "bare"))
    shutil.rmtree(bare / "golden")
    seal_again(bare)
    with pytest.raises(CheckpointError, match="golden"):
        Bundle.load(bare)
    for part, file in (("encoder", "encoder/weights.safetensors"), ("head", "head/head.npz"),
                       ("neighbours", "neighbours/embeddings.npy")):  # fmt: skip
        broken = Path(shutil.copytree(bundle_folder, tmp_path / part))
        path = broken / file
        if path.suffix == ".safetensors":
            tensors = load_file(path)
            tensors = {k: np.where(np.arange(v.size).reshape(v.shape), v, np.nan).astype(v.dtype)
                       for k, v in tensors.items()}  # fmt: skip
            save_file(tensors, path)
        elif path.suffix == ".npz":
            arrays = dict(np.load(path))
            arrays["weights"][0] = np.nan
            np.savez(path, **arrays)
        else:
            embeddings = np.load(path)
            embeddings[7] = np.nan
            np.save(path, embeddings)
        seal_again(broken)
        with pytest.raises(CheckpointError, match=f"{part} of the bundle holds NaN"):
            Bundle.load(broken)


def test_a_worker_falls_back_by_itself(bundle_folder: Path, tmp_path: Path) -> None:
    """Until the follower has noticed that the copy is damaged."""
    broken = Path(shutil.copytree(bundle_folder, tmp_path / "broken"))
    (broken / "head" / "head.npz").write_bytes(b"x")
    last = Pointer(str(bundle_folder), "craters", "4").identity()
    Pointer(str(broken), "craters", "5", previous=last).write(tmp_path / "current.json")
    with live_server(tmp_path, None) as live:
        wait_for(lambda: live.get("/ready").status_code == 200)
        ready = live.get("/ready").json()
    assert (ready["model"]["version"], ready["newest_version"]) == ("4", "5")
    assert "head.npz" in ready["load_problem"]
    assert str(tmp_path) not in ready["load_problem"]
