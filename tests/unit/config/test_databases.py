import pytest

from lunar_models.config.databases import hide_passwords


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("to http://ana:pw@h:1/api failed", "to http://ana:***@h:1/api failed"),
        ("postgresql+psycopg://ana:p@w:x@h/db", "postgresql+psycopg://ana:***@h/db"),
        ("'http://:pw@h', http://a:b@c", "'http://:***@h', http://a:***@c"),
        ("http://h:5000/a models:/x@champion", "http://h:5000/a models:/x@champion"),
        ("http://h:5000/models:/x@champion", "http://h:5000/models:/x@champion"),
        ("ana@h, sqlite:///mlflow.db", "ana@h, sqlite:///mlflow.db"),
    ],
)
def test_passwords_of_urls_are_hidden(text: str, shown: str) -> None:
    assert hide_passwords(text) == shown
