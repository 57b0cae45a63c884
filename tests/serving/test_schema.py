"""Requests that Schemathesis makes from the OpenAPI page: every answer is one that the page promises."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("schemathesis")

import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from clfa.serving.app import create_app
from clfa.serving.served_model import ServedModel
from clfa.serving.settings import Settings

CHECKS = [
    not_a_server_error,
    allow_header_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_answer_is_promised(served: ServedModel, mode: GenerationMode) -> None:
    app = create_app(lambda: served, Settings(hosts=("testserver",)))
    asked = []
    for found in schemathesis.openapi.from_asgi("/openapi.json", app).get_all_operations():
        operation = found.ok()
        # Nothing can be wrong about a request without parameters.
        if mode is GenerationMode.NEGATIVE and operation.method != "post":
            continue
        asked.append(operation.path)

        @settings(max_examples=12, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Any) -> None:
            answer = case.call_and_validate(checks=CHECKS)
            assert case.path == "/v1/predict" or answer.status_code == 200

        ask()
    wanted = ["/v1/predict", "/v1/model", "/healthz", "/readyz", "/metrics"]
    assert asked == (wanted if mode is GenerationMode.POSITIVE else wanted[:1])
