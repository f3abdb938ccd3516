"""Wait for an unreachable tracking server, and report in one sentence if it stays unreachable."""

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import mlflow
import requests
from mlflow.environment_variables import MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR

from lunar_models.config.databases import hide_passwords
from lunar_models.errors import LunarModelsError
from serving.cli.options import UserError

R = TypeVar("R")
RETRIES = 8
"""MLflow waits 0, 4, 8, 16, 32, 64, 120 and 120 s before these: six minutes together."""

_RETRIES_VARIABLE = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
_LONGEST_WAIT_S = 120.0
_NO_ANSWER = "API request to"
"""How MLflow begins what it says of a request that got no answer, or none that is one."""
_AWAY = frozenset({401, 429, *range(500, 600)})
"""Answers to requests for files; 401 is what MLflow's sign-in says while its database is away."""
STORE_ERRORS = (mlflow.MlflowException, requests.RequestException)
"""What MLflow raises where a server does not answer or refuses; the latter for files."""
_REMEDIES = {
    401: "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.",
    403: "Ask its administrator, or use an experiment and registered models of your own.",
}
"""What to do where it is not known who asks, and where they may not."""


def be_patient() -> None:
    """Let each request to the tracking server wait for minutes, unless the user chose otherwise."""
    os.environ.setdefault(_RETRIES_VARIABLE, str(RETRIES))
    logger = logging.getLogger("urllib3.connectionpool")
    if not any(isinstance(handler, _OneLine) for handler in logger.handlers):
        logger.addHandler(_OneLine())
        logger.setLevel(logging.DEBUG)  # where it tells that an answer of 503 is not taken
        logger.propagate = False


def patiently(fetch: Callable[[], R]) -> R:
    """Fetch or send files, and wait for the server as long as for a single request.

    MLflow asks for the hundreds of files of a model one by one. If each of them waited for a server
    that is away, they would take hours together; here all wait at once, and start anew.

    Raises:
        MlflowException, RequestException: the server stayed away, or refused.
    """
    chosen = os.environ.get(_RETRIES_VARIABLE)
    for attempt in range(RETRIES if chosen is None else int(chosen)):
        try:
            with _retries_of_a_request("1"):
                return fetch()
        except STORE_ERRORS as error:
            if not is_outage(error):
                raise
        time.sleep(min(MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR.get() * 2**attempt, _LONGEST_WAIT_S))
    with _retries_of_a_request("0"):
        return fetch()


@contextmanager
def _retries_of_a_request(count: str) -> Iterator[None]:
    before = os.environ.get(_RETRIES_VARIABLE)
    os.environ[_RETRIES_VARIABLE] = count
    try:
        yield
    finally:
        if before is None:
            del os.environ[_RETRIES_VARIABLE]
        else:
            os.environ[_RETRIES_VARIABLE] = before


@contextmanager
def store_errors() -> Iterator[None]:
    """Translate errors of the tracking store to one sentence. Enter it before the run.

    Raises:
        UserError: instead of an `MlflowException`, which stays its cause.
    """
    try:
        yield
    except STORE_ERRORS as error:
        if said := _said_before(error):
            raise said from error
        if is_outage(error):
            raise UserError(
                f"The tracking store {mlflow.get_tracking_uri()} stopped answering and did not "
                "come back in time. Finished steps and epochs are kept: start the same command "
                "again when it answers, and it resumes from them and logs what is missing."
            ) from error
        raise UserError(f"The tracking store says: {_told(error)}") from error


def _said_before(error: BaseException) -> UserError | LunarModelsError | None:
    """What ended the step, where the run could then not be ended either."""
    context = error.__context__
    while context is not None and not isinstance(context, UserError | LunarModelsError):
        context = context.__context__
    return context


@contextmanager
def no_second_wait() -> Iterator[None]:
    """End the run at once when the server stayed unreachable. Enter it inside the run."""
    try:
        yield
    except STORE_ERRORS as error:
        if is_outage(error):
            give_up()
        raise


def give_up() -> None:
    """Let further requests wait for nothing: ending a run needs the same server that is away."""
    os.environ[_RETRIES_VARIABLE] = "0"


def is_outage(error: Exception) -> bool:
    """Tell whether the store was unreachable, rather than refusing a request."""
    if isinstance(error, requests.RequestException):
        return error.response is None or error.response.status_code in _AWAY
    if not isinstance(error, mlflow.MlflowException):
        return False
    status = error.get_http_status_code()
    return status == 503 or (_NO_ANSWER in str(error.message) and (status >= 500 or status == 429))


def _told(error: Exception) -> str:
    """What the store says; of a refusal by the sign-in, its text and the remedy."""
    if not isinstance(error, mlflow.MlflowException):
        return str(error)
    message, remedy = str(error.message), _REMEDIES.get(error.get_http_status_code())
    if remedy is None or _NO_ANSWER not in message:
        return message
    body = message.partition("Response body: ")[2].strip("'")
    return f"{body.rstrip('.') or message}. {remedy}"


class _OneLine(logging.Handler):
    """Log once per outage that the server is unreachable, in place of a line for each attempt."""

    said = False

    def emit(self, record: logging.LogRecord) -> None:
        if str(record.msg).startswith("Retry") and not _OneLine.said:
            _OneLine.said = True
            print(
                hide_passwords(
                    f"The tracking server {mlflow.get_tracking_uri()} does not answer; trying "
                    "again for some minutes …"
                ),
                flush=True,
            )
