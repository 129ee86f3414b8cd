"""The OpenAPI document: what it tells of, what each of its examples is, and that the API keeps to it."""

import atexit
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

import hypothesis
import pytest
import schemathesis
from jsonschema import Draft202012Validator
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from kxmsg.api.app import create_app
from kxmsg.api.examples import ANSWERS, BODIES
from kxmsg.api.routes import ROUTERS
from kxmsg.bootstrap import memory_app
from kxmsg.settings import Settings
from tests.product import CONFIG

CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


class Served:
    """The API over an app in memory, which lives where it is called first: on schemathesis's own event loop."""

    def __init__(self) -> None:
        folder = Path(mkdtemp(prefix="kxmsg-openapi-"))
        atexit.register(rmtree, folder, ignore_errors=True)
        # Without a limit: 429 is documented, but would hide what is behind it.
        self.app = memory_app(settings=Settings(data=folder, config=CONFIG, rate_user=0, rate_tenant=0))
        self.api = create_app(self.app, ROUTERS)

    @property
    def headers(self) -> dict[str, str]:
        """Of a caller whom the policy lets do the most: what one may not do is refused early."""
        settings = self.app.settings
        token = self.app.secrets.mint("ana", "acme", ["system", "admin"], 600, settings.issuer, settings.audience)
        return {"Authorization": f"Bearer {token}"}


served = Served()

schema = schemathesis.openapi.from_asgi("/openapi.json", served.api)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    found: dict[str, Any] = served.api.openapi()
    return found


@schema.parametrize()
@hypothesis.settings(
    max_examples=12, deadline=None, derandomize=True, database=None, suppress_health_check=list(hypothesis.HealthCheck)
)
def test_what_is_documented_is_what_is_answered(case: Any) -> None:
    """Whatever is sent: no 500, no status, header, content type or shape that the document does not tell of."""
    case.call_and_validate(headers=served.headers, checks=CHECKS)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield f"{method.upper()} {path}", operation


def test_every_answer_has_an_example_that_is_one(document: dict[str, Any]) -> None:
    for route, operation in operations(document):
        for status, response in operation["responses"].items():
            if not status.startswith("2"):
                assert response["$ref"].rpartition("/")[2] in document["components"]["responses"], route
                continue
            for media in response["content"].values():
                if "example" in media:
                    check(media["schema"], media["example"], document)


def test_every_json_body_has_an_example_that_is_one(document: dict[str, Any]) -> None:
    for route, operation in operations(document):
        media = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if media is not None:
            assert "example" in media, f"{route}: give an example in kxmsg/api/examples.py"
            check(media["schema"], media["example"], document)


def test_every_answer_has_an_example_of_its_own(document: dict[str, Any]) -> None:
    for route, operation in operations(document):
        shape = next(iter(operation["responses"].values()))["content"]["application/json"]["schema"]
        if shape == {"$ref": "#/components/schemas/Success"}:
            assert route in ANSWERS, f"{route}: give one in kxmsg/api/examples.py"


def test_posts_of_callers_take_an_idempotency_key(document: dict[str, Any]) -> None:
    for route, operation in operations(document):
        keyed = {"$ref": "#/components/parameters/IdempotencyKey"} in operation["parameters"]
        assert keyed == (route.startswith("POST ") and "security" in operation), route


def test_operations_have_names_that_differ(document: dict[str, Any]) -> None:
    """For those who generate clients."""
    names = [operation["operationId"] for _, operation in operations(document)]
    assert len(set(names)) == len(names)


def test_the_examples_are_json() -> None:
    for example in [*BODIES.values(), *ANSWERS.values()]:
        Draft202012Validator({"type": "object"}).validate(example)


def test_an_answer_is_no_html(document: dict[str, Any]) -> None:
    """But the page of documentation, which the document does not tell of."""
    kinds = {
        kind
        for _, operation in operations(document)
        for response in operation["responses"].values()
        for kind in response.get("content", {})
    }
    assert kinds == {"application/json"}


def check(shape: dict[str, Any], example: Any, document: dict[str, Any]) -> None:
    """Raises where ``example`` is not of that shape."""
    Draft202012Validator({**shape, "components": document["components"]}).validate(example)
