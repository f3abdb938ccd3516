"""``lunar-token``: make and revoke tokens."""

from pathlib import Path

import click

from lunar_models.errors import LunarModelsError
from serving.app.tokens import SCOPES, create_token, revoke_token


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
    default=SCOPES,
    show_default=True,
    help="What it may do; may be repeated.",
)
@click.option("--revoke", is_flag=True, help="Take the token NAME out instead.")
def token(name: str, file: Path, scopes: tuple[str, ...], revoke: bool) -> None:
    """Make a token for NAME and print it; it cannot be shown again."""
    try:
        if revoke:
            revoke_token(file, name=name)
            click.echo(f"{name} has no token any more.")
        else:
            click.echo(create_token(file, name=name, scopes=scopes))
    except LunarModelsError as error:
        raise click.ClickException(str(error)) from error
