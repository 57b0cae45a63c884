"""The parts of the OpenAPI page that FastAPI cannot read from the code: the two forms of a body, and the errors."""

from __future__ import annotations

from typing import Any

from clfa.serving.refusal import CODES
from clfa.serving.schemas import BATCH_EXAMPLE, POST_EXAMPLE, Batch, ErrorAnswer, FormPost, OnePost

_FORM = {
    "type": "object",
    "description": "One post in `text` and `image`; or several in `posts`, a JSON list whose entries name their "
    "pictures, which are files in `image`: " + ", ".join(f"`{name}`" for name in FormPost.model_fields) + ".",
    "properties": {
        "id": {"type": "string", "maxLength": 200},
        "text": {"type": "string"},
        "image": {"type": "array", "items": {"type": "string", "format": "binary"}},
        "knowledge": {"type": "string"},
        "explain": {"type": "string", "enum": ["true", "false"]},
        "posts": {"type": "string", "contentMediaType": "application/json"},
    },
    "additionalProperties": False,
}


def _inline(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema with its definitions in place of the references to them."""
    definitions = schema.pop("$defs", {})

    def replaced(value: Any) -> Any:
        if isinstance(value, list):
            return [replaced(one) for one in value]
        if not isinstance(value, dict):
            return value
        if "$ref" in value:
            return replaced(definitions[value["$ref"].rpartition("/")[2]])
        return {name: replaced(one) for name, one in value.items()}

    found: dict[str, Any] = replaced(schema)
    return found


PREDICT_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"anyOf": [_inline(OnePost.model_json_schema()), _inline(Batch.model_json_schema())]},
                "examples": {
                    "one post": {"value": POST_EXAMPLE},
                    "several": {"value": BATCH_EXAMPLE},
                },
            },
            "multipart/form-data": {"schema": _FORM},
        },
    }
}


def responses(*, predicts: bool) -> dict[int | str, dict[str, Any]]:
    """Return the errors of a path by status.

    Args:
        predicts: Whether it takes posts.
    """
    found: dict[int | str, dict[str, Any]] = {}
    for status, meaning in CODES.values():
        if predicts or status in (401, 403, 421, 503):
            known = found.setdefault(status, {"model": ErrorAnswer, "description": ""})
            known["description"] = f"{known['description']} {meaning}".strip()
    return found
