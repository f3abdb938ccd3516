"""Requests made up from the OpenAPI for every route: no 5xx, strict JSON, nothing repeated.

`LUNAR_FUZZ_INPUTS` sets how many; without it a few by default and 12,000 under `make test-all`.
"""

import json
import os
import random
import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pytest
import requests
import yaml
from batch_job import job_config, write_moon
from bent import SECRET, bent_json
from live_server import Live, live_server
from service_parts import Parts

from serving.batch.driver import classify_catalogue

INPUTS = int(os.environ.get("LUNAR_FUZZ_INPUTS", "12000"))
NUMBERS = ["nan", "NaN", "inf", "-inf", "1e308", "-1e309", "0", "-0.0", "-1", "1.5", "01", "+7"]
NUMBERS += ["2147483648", "18446744073709551616", "1_000", "0x10", "1e3"]
NUMBERS += [" 5 ", "9" * 400, "\u0663"]
TEXTS = ["", " ", "\0", "\u00e9", "\U0001f4a5", "\u202e", "a\nb", "x" * 3000, SECRET, "$(id)"]
TEXTS += ["true", "null", "[]", "{}", "%2e%2e/", "../../etc/passwd", "<script>", "'; DROP"]


@pytest.fixture(scope="module")
def server(
    bundle_folder: Path, parts: Parts, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Live]:
    """With everything that has routes of its own."""
    folder = tmp_path_factory.mktemp("routes")
    moon = write_moon(folder / "moon")
    classify_catalogue(job_config(moon, bundle_folder, moon / "release"))
    labelling = folder / "labelling.yaml"
    labels = {"crops": str(parts.crop_set.path), "store": str(folder / "labels.db")}
    labelling.write_text(yaml.safe_dump(labels))
    with live_server(
        folder, bundle_folder, mosaic=str(moon / "mosaic.tif"), release=str(moon / "release"),
        tags=str(folder / "tags.db"), labelling=str(labelling), max_body_mb=4.0,
    ) as live:  # fmt: skip
        yield live


class Maker:
    """Draws requests: most parameters good, some bent."""

    def __init__(self, openapi: dict[str, Any], known: list[str]) -> None:
        self.schemas = openapi["components"]["schemas"]
        self.known = known
        self.routes = [
            (path, method, spec)
            for path, methods in openapi["paths"].items()
            for method, spec in methods.items()
        ]

    def request(self, number: int) -> dict[str, Any]:
        """Arguments of `requests.request` but for the server's address."""
        dice = random.Random(number)
        path, method, spec = dice.choice(self.routes)
        query: list[tuple[str, str]] = []
        for parameter in spec.get("parameters", ()):
            value = self._parameter(dice, parameter["name"], parameter["schema"])
            if parameter["in"] == "path":
                path = path.replace(f"{{{parameter['name']}}}", quote(value, safe=""))
            elif parameter.get("required") or dice.random() < 0.6:
                query += [(parameter["name"], value)] * dice.choice([1, 1, 1, 1, 2])
        asked = {"method": method.upper(), "path": path, "params": query, "headers": {}}
        if dice.random() < 0.05:
            asked["method"] = dice.choice(["PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "POST"])
        content = spec.get("requestBody", {}).get("content", {})
        if "application/json" in content:
            asked["headers"]["content-type"] = "application/json"
            asked["data"] = self._body(dice, content["application/json"]["schema"])
        if dice.random() < 0.05:
            name = dice.choice(
                ["accept", "range", "if-none-match", "x-request-id", "accept-encoding"]
            )
            asked["headers"][name] = dice.choice(["*", "bytes=0-5,9-", "\x7f", "0", "gzip;q=x"])
        return asked

    def _parameter(self, dice: random.Random, name: str, schema: dict[str, Any]) -> str:
        if dice.random() < 0.15:
            return dice.choice(NUMBERS + TEXTS)
        value = self._good(dice, name, schema, 0)
        return "" if value is None else str(value)

    def _body(self, dice: random.Random, schema: dict[str, Any]) -> bytes:
        value = self._good(dice, "", schema, 0)
        for _ in range(dice.choice([0, 0, 1, 1, 2, 5])):
            value = bent_json(dice, value)
        text = json.dumps(value).encode()
        if dice.random() < 0.1:
            at = dice.randrange(len(text) + 1)
            text = text[:at] + dice.choice([b"", b"1e999", b"\xff", b"{", b",", b"NaN"]) + text[at:]
        return text

    def _good(self, dice: random.Random, name: str, schema: dict[str, Any], depth: int) -> Any:
        """Something that the schema allows, more or less."""
        if "$ref" in schema:
            return self._good(dice, name, self.schemas[schema["$ref"].split("/")[-1]], depth)
        for key in ("anyOf", "oneOf"):
            if key in schema:
                return self._good(dice, name, dice.choice(schema[key]), depth)
        if "enum" in schema:
            return dice.choice(schema["enum"])
        kind = schema.get("type")
        if kind in ("integer", "number"):
            low = schema.get("minimum", schema.get("exclusiveMinimum", -10))
            high = schema.get("maximum", schema.get("exclusiveMaximum", 1000))
            high = min(high, dice.choice([low + 3, low + 100, high]))
            edge = dice.choice([low, high, dice.uniform(low, high), dice.uniform(low, high)])
            return int(edge) if kind == "integer" else edge
        if kind == "object":
            fields = schema.get("properties", {})
            needed = schema.get("required", ())
            return {
                key: self._good(dice, key, part, depth + 1)
                for key, part in fields.items()
                if depth < 5 and (key in needed or dice.random() < 0.5)
            }
        if kind == "array":
            count = dice.choice([schema.get("minItems", 0), 1, 3])
            return [
                self._good(dice, name, schema.get("items", {}), depth + 1) for _ in range(count)
            ]
        if kind == "boolean":
            return dice.choice([True, False])
        if kind == "null":
            return None
        return dice.choice(self.known)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def fault(asked: dict[str, Any], reply: requests.Response, seconds: float) -> str | None:
    """What is wrong with a reply; None: nothing."""
    kind = reply.headers.get("content-type", "").partition(";")[0]
    try:
        if asked["method"] == "HEAD":
            pass
        elif kind.endswith("ndjson"):
            for line in reply.text.splitlines():
                json.loads(line, parse_constant=_no_constant)
        elif kind.endswith("json"):
            json.loads(reply.content, parse_constant=_no_constant)
    except ValueError as error:
        return f"no strict JSON: {error}"
    refused = 400 <= reply.status_code < 500
    if (
        refused
        and asked["method"] not in ("HEAD", "OPTIONS")
        and kind != "application/problem+json"
    ):
        return f"a refusal that is no problem reply: {kind}"
    if refused and SECRET in reply.text:
        return "a refusal repeats what was sent"
    if reply.status_code >= 500:
        return "a fault of the server"
    return f"it took {seconds:.1f} s" if seconds > 10 else None


@pytest.mark.parametrize("count", [400, pytest.param(INPUTS, marks=pytest.mark.slow)])
def test_any_request_to_any_route_is_answered(server: Live, parts: Parts, count: int) -> None:
    ids = [*parts.crop_set.metadata["crater_id"][:5], "C1", "C499", "nowhere"]
    maker = Maker(server.get("/openapi.json").json(), ids)
    outcomes: Counter[int] = Counter()
    reached: Counter[str] = Counter()
    wrong: list[str] = []
    process, memory = psutil.Process(), []
    with requests.Session() as session:
        for number in range(count):
            asked = maker.request(number)
            address = f"{server.url}{asked['path']}"
            options = {key: asked[key] for key in ("params", "headers", "data") if key in asked}
            began = time.monotonic()
            reply = session.request(asked["method"], address, timeout=60, **options)
            said = fault(asked, reply, time.monotonic() - began)
            if said is not None:
                wrong.append(f"{number} {said}: {asked} -> {reply.status_code} {reply.text[:300]}")
            outcomes[reply.status_code] += 1
            if reply.status_code == 200:
                reached[re.sub(r"[^/]*[0-9%][^/]*", "*", asked["path"])[:40]] += 1
            if number % (count // 4) == count // 4 - 1:
                memory.append(process.memory_full_info().uss / 2**20)
    print("fuzz of routes", dict(outcomes), f"{memory[0]:.0f} -> {memory[-1]:.0f} MiB")
    print(dict(reached))
    assert not wrong, "\n".join([f"{len(wrong)} wrong", *wrong[:8]])
    assert outcomes[200] > count / 4
    assert memory[-1] < 1.1 * memory[0] + 32
