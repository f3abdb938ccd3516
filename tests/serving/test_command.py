"""``python -m serving``: its options come from the config, as those of the steps do."""

import pytest
from click.testing import CliRunner

from lunar_models.config.serve import ServeConfig
from serving.__main__ import main
from serving.app import supervisor


@pytest.fixture
def ask(monkeypatch):
    """Run the command; returns the config it would serve with and what was printed."""
    seen = []
    monkeypatch.setattr(supervisor, "serve", lambda config: seen.append(config) or 0)

    def run(*arguments, **environment):
        seen.clear()
        result = CliRunner().invoke(main, arguments, env=environment)
        return (seen[0] if seen else None), result

    return run


def test_defaults_are_those_of_the_config(ask):
    assert ask()[0] == ServeConfig()


@pytest.mark.parametrize("option", ["--poll-s", "--poll_s"])
def test_hyphens_are_read_as_underscores(ask, option):
    assert ask(option, "2.5")[0].poll_s == 2.5


@pytest.mark.parametrize(
    "arguments",
    [
        ["--cors_origins", "https://a.org,https://b.org"],
        ["--cors-origins", "https://a.org", "--cors-origins", "https://b.org"],
    ],
)
def test_lists_are_given_with_commas_or_item_by_item(ask, arguments):
    assert ask(*arguments)[0].cors_origins == ("https://a.org", "https://b.org")


@pytest.mark.parametrize("separator", [" ", ","])
def test_the_environment_sets_options(ask, separator):
    config, _ = ask(
        LUNAR_SERVE_PORT="8080",
        LUNAR_SERVE_MOSAIC="wac.tif",
        LUNAR_SERVE_TRUSTED_PROXIES=separator.join(["10.0.0.1", "10.0.0.2"]),
    )
    assert config == ServeConfig(
        port=8080, mosaic="wac.tif", trusted_proxies=("10.0.0.1", "10.0.0.2")
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--port", "70000"], "port=70000 is too large; the most is 65535."),
        (["--port", "http"], "port='http' is not a whole number"),
        (["--deadline_s", "nan"], "deadline_s=nan is not a finite number"),
        (["--log_level", "loud"], "log_level='loud' is not one of info, warning, error."),
        (["--tls_key", "k.pem"], "tls_certificate and tls_key belong together"),
        (["--max_items", "2000"], "raise queue_items"),
    ],
)
def test_what_the_config_refuses_ends_with_code_2(ask, arguments, told):
    config, result = ask(*arguments)
    assert config is None
    assert result.exit_code == 2
    assert told in result.output
