"""Look up registered models; distinguish missing ones from a registry that does not answer.

Only the registry's own answer "does not exist" counts as absence. Every other failure (a server
that is down, a missing permission) is raised: taking it for absence once let a refused challenger
go live.
"""

import mlflow
from mlflow.entities.model_registry import ModelVersion

from serving.cli.options import UserError

ABSENT = "RESOURCE_DOES_NOT_EXIST"


def find_aliases(name: str) -> dict[str, str]:
    """Alias -> version number of a registered model; empty without such a model.

    Raises:
        UserError: the registry did not answer.
    """
    try:
        aliases = mlflow.MlflowClient().get_registered_model(name).aliases
        return {alias: str(number) for alias, number in aliases.items()}
    except mlflow.MlflowException as error:
        if error.error_code == ABSENT:
            return {}
        raise _unanswered(name, error) from error


def find_version(name: str, alias_or_number: str) -> ModelVersion | None:
    """Return the version behind an alias or a number; None where the registry says there is none.

    Raises:
        UserError: the registry did not answer.
    """
    number = alias_or_number
    if not number.isdigit():
        number = find_aliases(name).get(alias_or_number, "")
        if not number:
            return None
    try:
        return mlflow.MlflowClient().get_model_version(name, number)
    except mlflow.MlflowException as error:
        if error.error_code == ABSENT:
            return None
        raise _unanswered(name, error) from error


def find_versions(name: str) -> list[ModelVersion]:
    """Return all versions of a registered model, newest first.

    Raises:
        UserError: the registry did not answer.
    """
    try:
        found = list(mlflow.MlflowClient().search_model_versions(f"name = {quoted(name)}"))
    except mlflow.MlflowException as error:
        raise _unanswered(name, error) from error
    return sorted(found, key=lambda version: -int(version.version))


def quoted(text: str) -> str:
    """Return a text as MLflow's filters take it."""
    return f'"{text}"' if "'" in text else f"'{text}'"


def _unanswered(name: str, error: mlflow.MlflowException) -> UserError:
    return UserError(
        f"The registry could not say what {name} has ({error.error_code}: {error.message}); "
        "nothing was changed. Try again when it answers."
    )
