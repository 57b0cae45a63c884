"""Requests that Schemathesis makes from the OpenAPI page: every answer is one that the page promises."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

schemathesis = pytest.importorskip("schemathesis")

from hypothesis import HealthCheck, settings  # noqa: E402
from schemathesis.checks import not_a_server_error  # noqa: E402
from schemathesis.specs.openapi.checks import (  # noqa: E402
    allow_header_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from clfa.serving.app import create_app  # noqa: E402
from clfa.serving.served_model import ServedModel  # noqa: E402

CHECKS = [
    not_a_server_error,
    allow_header_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]
STATUSES: dict[str, set[int]] = defaultdict(set)


@pytest.fixture(scope="module")
def web_api(served: ServedModel) -> Iterator[Any]:
    yield schemathesis.openapi.from_asgi("/openapi.json", create_app(lambda: served))
    # Not all refused: the examples of the page are answered.
    assert all(200 in found for found in STATUSES.values())


schema = schemathesis.pytest.from_fixture("web_api")


@schema.parametrize()
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_promised(case: Any) -> None:
    answer = case.call_and_validate(checks=CHECKS)
    STATUSES[case.path].add(answer.status_code)
