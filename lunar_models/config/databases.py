"""Keep passwords of databases and servers out of what is logged or shown."""

import re
from urllib.parse import urlsplit

from lunar_models.errors import ConfigError

_USER = re.compile(r"(://[^\s/:@'\"]*):[^\s/'\"]*@")
"""The user of a URL, to the last @ before its path: a password may hold one."""


def hide_passwords(text: str) -> str:
    """Replace the passwords of all URLs in a text by ``***``, as SQLAlchemy shows them."""
    return _USER.sub(r"\1:***@", text)


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
