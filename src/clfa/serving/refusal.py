"""Refusals: every reason for which a request gets no answer, with its status, in one shape."""

from __future__ import annotations

from typing import Any

# Code -> status and what it means.
CODES = {
    "malformed_request": (400, "The request is not HTTP."),
    "unauthorised": (401, "The bearer token is missing or wrong."),
    "cross_origin": (403, "The request comes from a page of another site."),
    "not_found": (404, "There is no such path."),
    "method_not_allowed": (405, "The path does not take this method."),
    "body_too_slow": (408, "The body did not arrive in time."),
    "body_too_large": (413, "The body has too many bytes."),
    "text_too_long": (413, "A text has too many characters."),
    "picture_too_large": (413, "A picture has too many pixels."),
    "too_many_posts": (413, "The request has too many posts."),
    "too_many_pictures": (413, "The request has too many pictures."),
    "unsupported_media_type": (415, "The body is neither JSON nor a form."),
    "unknown_host": (421, "The service is not known under this name."),
    "invalid_request": (422, "The body does not fit the schema."),
    "unusable_post": (422, "The model cannot read the post."),
    "internal_error": (500, "The service has a fault."),
    "busy": (503, "Too much is waiting."),
    "too_many_connections": (503, "Too many connections are open."),
    "not_ready": (503, "The model is not loaded, or the service ends."),
    "replica_lost": (503, "The replica that computed the answer was lost."),
    "timed_out": (503, "The answer was not there in time."),
}


class Refusal(Exception):
    """A request, or a post of one, that gets no answer.

    Args:
        code: A key of :data:`CODES`.
        message: What is wrong and what to do, without content of the post.
        field: Where it is wrong, for instance ``posts.3.image``.
        retry_after: Seconds after which the same request may succeed.

    Example:
        >>> Refusal("busy", "Try again.", retry_after=2).headers
        {'retry-after': '2'}
    """

    def __init__(self, code: str, message: str, field: str | None = None, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.field = code, message, field
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[type[Refusal], tuple[str, str, str | None, int | None]]:
        return type(self), (self.code, self.message, self.field, self.retry_after)

    @property
    def status(self) -> int:
        """Status of HTTP."""
        return CODES[self.code][0]

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the answer."""
        found = {} if self.retry_after is None else {"retry-after": str(self.retry_after)}
        return found | ({"www-authenticate": "Bearer"} if self.status == 401 else {})

    def to_dict(self) -> dict[str, Any]:
        """Return ``{"code", "message"}``, and ``field`` if it is known."""
        place = {} if self.field is None else {"field": self.field}
        return {"code": self.code, "message": self.message} | place
