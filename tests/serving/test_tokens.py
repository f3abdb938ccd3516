"""Tokens: concurrent writers of one file lose nothing, and revoked tokens are refused."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from lunar_models.errors import ConfigError
from serving.app import tokens as module
from serving.app.tokens import TokenStore, create_token, revoke_token

_MAKE = """
import sys
from pathlib import Path
from serving.app.tokens import create_token
sys.stdin.readline()
print(create_token(Path(sys.argv[1]), name=sys.argv[2], scopes=["read"]))
"""


def test_twelve_at_once_keep_twelve(tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    made = [
        subprocess.Popen(
            [sys.executable, "-c", _MAKE, str(file), f"t{i}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for i in range(12)
    ]
    for process in made:
        process.stdin.write("go\n")
        process.stdin.flush()
    tokens = [process.communicate(timeout=60)[0].strip() for process in made]
    store = TokenStore(file)
    assert [store.scopes(token) for token in tokens] == [{"read"}] * 12
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tokens.json", "tokens.json.lock"]
    assert file.stat().st_mode & 0o077 == 0


def test_a_revocation_is_noticed_however_quick(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_RELOAD_S", 0.0)
    file = tmp_path / "tokens.json"
    create_token(file, name="stays", scopes=["read"])
    store = TokenStore(file)
    for i in range(30):
        token = create_token(file, name="goes", scopes=["read"])
        assert store.scopes(token) == {"read"}, i
        revoke_token(file, name="goes")
        assert store.scopes(token) is None, i


@pytest.mark.parametrize("name", ["", " ", "ada ", "a\nb", "x" * 101])
def test_a_name_that_could_not_sign_a_label_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="printable"):
        create_token(tmp_path / "tokens.json", name=name, scopes=["label"])
    assert create_token(tmp_path / "tokens.json", name="Zoë Ångström", scopes=["label"])


@pytest.mark.parametrize("how", ["deleted", "damaged"])
def test_a_file_that_is_gone_is_logged_once_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    monkeypatch.setattr(module, "_RELOAD_S", 0.0)
    file = tmp_path / "tokens.json"
    token = create_token(file, name="a", scopes=["read"])
    store = TokenStore(file)
    before = file.read_text()
    file.unlink() if how == "deleted" else file.write_text("{")
    with caplog.at_level(logging.ERROR):
        assert [store.scopes(token) for _ in range(3)] == [{"read"}] * 3
    assert len(caplog.records) == 1
    file.write_text(before.replace(json.loads(before)["tokens"][0]["sha256"], "0" * 64))
    assert store.scopes(token) is None
