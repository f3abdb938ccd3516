"""Keep passwords of databases out of parameters, which are logged."""

from urllib.parse import urlsplit

from lunar_models.errors import ConfigError


def refuse_password(parameter: str, url: str | None) -> None:
    """Make sure that the address of a database has no password.

    Raises:
        ConfigError: it has one.
    """
    if url is not None and "://" in url and urlsplit(url).password is not None:
        raise ConfigError(
            f"{parameter} has a password, and parameters are logged; leave it out and put it into "
            "PGPASSWORD or ~/.pgpass."
        )
