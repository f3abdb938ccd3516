"""Log lines: one JSON object each, written together, and at once where something is wrong."""

import io
import json
import logging

from live_server import wait_for

from serving.app.logs import BatchingHandler, JsonFormatter


def logger(stream: io.StringIO) -> logging.Logger:
    handler = BatchingHandler(stream)
    handler.setFormatter(JsonFormatter())
    made = logging.Logger("serving.test", logging.INFO)
    made.addHandler(handler)
    return made


def lines(stream: io.StringIO) -> list[dict]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_lines_come_soon_and_in_order() -> None:
    stream = io.StringIO()
    log = logger(stream)
    for number in range(100):
        log.info("request", extra={"number": number})
    wait_for(lambda: stream.getvalue().count("\n") == 100, 10)
    assert [line["number"] for line in lines(stream)] == list(range(100))
    assert {(line["level"], line["message"]) for line in lines(stream)} == {("info", "request")}


def test_what_is_wrong_is_written_at_once() -> None:
    stream = io.StringIO()
    log = logger(stream)
    log.info("before")
    try:
        raise ValueError("boom")
    except ValueError:
        log.exception("it broke")
    assert [line["message"] for line in lines(stream)] == ["before", "it broke"]
    assert "boom" in lines(stream)[1]["traceback"]


def test_a_stream_that_is_gone_harms_nobody() -> None:
    stream = io.StringIO()
    log = logger(stream)
    stream.close()
    log.error("nobody reads this")
