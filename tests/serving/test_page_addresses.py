"""Every address that a script of our pages asks for is known to its route.

Routes refuse query parameters that they do not know, so a page that sends one shows an error.
"""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.routing import APIRoute

import serving.app
from serving.app import routes
from serving.model.schema import CropHints, Options

MODULES = [
    importlib.import_module(f"{routes.__name__}.{module.name}")
    for module in pkgutil.iter_modules(routes.__path__)
]
ROUTES = [
    route
    for module in MODULES
    if hasattr(module, "router")
    for route in module.router.routes
    if isinstance(route, APIRoute)
]
SCRIPTS = sorted((Path(serving.app.__file__).parent / "page").rglob("*.js"))

_ADDRESS = re.compile(r"""[`"]((?:/v1/|\$\{craterPath\([\w.]+\)\})[^`"]*)[`"]""")
_SEARCH = re.compile(r"const query = new URLSearchParams\(\{([^}]*)\}\)")


def addresses(text: str) -> Iterator[tuple[str, list[str]]]:
    """Path and names of query parameters of each address that a script writes."""
    keys = [re.findall(r"(\w+):", found) for found in _SEARCH.findall(text)]
    for address in _ADDRESS.findall(text):
        address = re.sub(r"\$\{craterPath\([\w.]+\)\}", "/v1/craters/x", address)
        path, _, query = address.partition("?")
        names = re.findall(r"(?:^|&)(\w+)=", query)
        if query == "${query}":
            names = keys.pop(0)
        elif len(names) != (query.count("&") + 1 if query else 0):
            raise AssertionError(f"the test does not understand {address!r}")
        yield re.sub(r"\$\{[^}]*\}", "0", path), names


def test_pages_send_known_parameters_only() -> None:
    found = [(f.name, *each) for f in SCRIPTS for each in addresses(f.read_text())]
    assert {"label.js", "page.js", "pictures.js", "result.js", "search.js"} <= {
        f for f, _, _ in found
    }
    assert sum(len(names) for _, _, names in found) >= 12
    for file, path, names in found:
        asked = [r for r in ROUTES if r.path_regex.match(path)]
        if "/label/0/" in path:  # of three kinds of pictures
            asked = [r for r in ROUTES if r.path.endswith(".png") and "/label/" in r.path]
        assert asked or not names, f"{file}: {path}"
        for route in asked if names else ():
            known = {field.alias for field in route.dependant.query_params}
            if "POST" in route.methods:  # beside a raw image
                known = {*CropHints.model_fields, *Options.model_fields}
            assert {*names} <= known, f"{file}: {path} {names} {known}"


def test_an_address_that_a_route_refuses_would_be_noticed() -> None:
    script = "const a = `${craterPath(id)}/image.png?stretch=true`;"
    script += "get(`/v1/label/after/${id}?others=${n}`);"
    assert list(addresses(script)) == [
        ("/v1/craters/x/image.png", ["stretch"]),
        ("/v1/label/after/0", ["others"]),
    ]
    [route] = [r for r in ROUTES if r.path == "/v1/craters/{crater_id}/image.png"]
    assert route.dependant.query_params == []


@pytest.mark.parametrize("query", ["", "&", "&&", "top_k=1&", "&top_k=1"])
def test_empty_parts_of_a_query_do_not_matter(server, query: str) -> None:
    reply = server.get(f"/v1/clusters/0?{query}")
    assert reply.status_code == 200, reply.text
