"""``lunar-token``: create and revoke tokens."""

from pathlib import Path

import click

from serving.app.tokens import DEFAULT_SCOPES, SCOPES, create_token, revoke_token
from serving.cli.options import user_errors


@click.command()
@click.argument("name")
@click.option(
    "--file",
    type=click.Path(path_type=Path),
    default=Path("tokens.json"),
    show_default=True,
    help="File of hashed tokens, for the server's --tokens.",
)
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(SCOPES),
    default=DEFAULT_SCOPES,
    show_default=True,
    help="What the token permits; may be repeated.",
)
@click.option("--revoke", is_flag=True, help="Revoke the token of NAME instead.")
def token(name: str, file: Path, scopes: tuple[str, ...], revoke: bool) -> None:
    """Create a token for NAME and print it; it cannot be shown again."""
    with user_errors():
        if revoke:
            revoke_token(file, name=name)
            click.echo(f"The token of {name} is revoked.")
        else:
            click.echo(create_token(file, name=name, scopes=scopes))
