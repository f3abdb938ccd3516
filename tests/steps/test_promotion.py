"""Aliases move one at a time, never on a look-up that failed, and never over what was not seen."""

import re
import time
from datetime import UTC, datetime

import mlflow
import pytest
from mlflow.exceptions import MlflowException

from serving.cli.options import UserError
from steps.shared import promotion
from steps.shared.promotion import (
    LEASE_SECONDS,
    claim_alias,
    drop_alias,
    exclusive,
    note,
    promote_version,
    roll_back,
)
from steps.shared.versions import find_version, find_versions

NAME = "svc's model"


@pytest.fixture
def client(store):
    return mlflow.MlflowClient()


@pytest.fixture
def versions(client):
    """Three registered versions."""
    client.create_registered_model(NAME)
    return [client.create_model_version(NAME, "/x") for _ in range(3)]


def alias(client, name="champion") -> str | None:
    found = client.get_registered_model(NAME).aliases.get(name)
    return None if found is None else str(found)


@pytest.mark.parametrize("code", ["TEMPORARILY_UNAVAILABLE", "PERMISSION_DENIED", "INTERNAL_ERROR"])
@pytest.mark.parametrize("request_", ["get_registered_model", "get_model_version"])
def test_a_look_up_that_fails_is_not_no_champion(client, versions, monkeypatch, code, request_):
    client.set_registered_model_alias(NAME, "champion", "1")

    def fail(*_, **__):
        error = MlflowException("try later")
        error.error_code = code
        raise error

    monkeypatch.setattr(mlflow.MlflowClient, request_, fail)
    with pytest.raises(UserError, match=f"could not say.*{code}.*nothing was changed"):
        find_version(NAME, "champion")
    with pytest.raises(UserError):
        promote_version(versions[1], None, alias="champion", why="")
    monkeypatch.undo()
    assert alias(client) == "1"


def test_absence_is_what_the_registry_says(client, versions):
    assert find_version("nobody", "champion") is None
    assert find_version(NAME, "champion") is None
    assert find_version(NAME, "9") is None
    assert [v.version for v in find_versions(NAME)] == [v.version for v in versions[::-1]]


def test_an_alias_that_was_moved_meanwhile_is_not_overwritten(client, versions):
    first, second, third = versions
    promote_version(first, None, alias="champion", why="first")
    client.set_registered_model_alias(NAME, "champion", third.version)
    with pytest.raises(UserError, match=r"moved meanwhile: version 3 has it, not 1"):
        promote_version(second, first, alias="champion", why="better")
    with pytest.raises(UserError, match="not none"):
        promote_version(second, None, alias="champion", why="none")
    assert alias(client) == "3"


def test_moved_between_the_first_look_and_the_last(client, versions, monkeypatch):
    """Somebody without the lock, such as the UI, moves it while tags are written."""
    first, second, third = versions
    promote_version(first, None, alias="champion", why="first")
    monkeypatch.setattr(
        promotion, "_tag",
        lambda *_, **__: client.set_registered_model_alias(NAME, "champion", third.version),
    )  # fmt: skip
    with pytest.raises(UserError, match="moved meanwhile"):
        promote_version(second, first, alias="champion", why="better")
    assert alias(client) == "3"


def test_anothers_challenger_stays(client, versions):
    client.set_registered_model_alias(NAME, "challenger", "3")
    drop_alias(versions[1], "challenger")
    assert alias(client, "challenger") == "3"
    drop_alias(versions[2], "challenger")
    assert alias(client, "challenger") is None


def test_register_takes_what_is_free_and_rollback_works_afterwards(client, versions):
    first, second, third = versions
    assert claim_alias(first, "champion") == "champion"
    assert claim_alias(second, "champion") == "challenger"
    assert claim_alias(third, "staging") == "staging"
    assert (alias(client), alias(client, "challenger")) == ("1", "2")
    assert (
        client.get_model_version(NAME, "1")
        .tags["alias_history"]
        .endswith(": became champion over none: registered; there was no champion")
    )
    with exclusive(NAME):
        promote_version(second, find_version(NAME, "champion"), alias="champion", why="better")
    with exclusive(NAME):
        back = roll_back(find_version(NAME, "champion"), service_model=NAME, alias="champion")
    assert (back.version, alias(client)) == (first.version, "1")


def test_a_version_keeps_the_latest_of_its_history_and_few_tags(client, versions):
    version = versions[0]
    for number in range(200):
        note(version, f"refused: reason {number} " + "x" * 100 + "\nsecond line")
    tags = client.get_model_version(NAME, "1").tags
    lines = tags["alias_history"].splitlines()
    assert len(tags["alias_history"]) == 5000
    assert "reason 199" in lines[0]
    assert "reason 198" in lines[1]
    assert all(line.startswith(str(datetime.now(UTC).year)) for line in lines[:-1])
    with exclusive(NAME):
        promote_version(version, None, alias="champion", why="better")
    assert set(client.get_model_version(NAME, "1").tags) == {"promoted_over", "alias_history"}


def _lock(minutes_ago: int) -> str:
    return f"{NAME}--promotion-{int(time.time() // LEASE_SECONDS) - minutes_ago}"


def test_the_lock_of_a_killed_promotion_expires(client, versions):
    client.create_registered_model(_lock(3), tags={"held_by": "me@dead", "since": "then"})
    with exclusive(NAME):
        pass
    assert [m.name for m in client.search_registered_models()] == [NAME]


@pytest.mark.parametrize("minutes_ago", [1, 0, -1])
def test_a_lock_that_may_be_alive_is_respected(client, versions, minutes_ago):
    lock = _lock(minutes_ago)
    client.create_registered_model(lock, tags={"held_by": "me@there", "since": "now"})
    with pytest.raises(UserError, match=re.escape("me@there since now")), exclusive(NAME):
        pass
    assert lock in [m.name for m in client.search_registered_models()]


def test_who_waits_gets_the_lock_when_it_is_free(client, versions, monkeypatch):
    lock = _lock(0)
    client.create_registered_model(lock)
    monkeypatch.setattr(promotion.time, "sleep", lambda _: client.delete_registered_model(lock))
    with exclusive(NAME, wait_seconds=30):
        held = [m.tags["held_by"] for m in client.search_registered_models() if m.name == _lock(0)]
        assert len(held) == 1
