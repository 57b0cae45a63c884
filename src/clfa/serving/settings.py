"""Bounds of the service: what one client may ask for, and what all of them together may use."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

MEGABYTE = 1_000_000


class Settings(BaseModel):
    """Bounds of the service.

    Example:
        >>> Settings(max_posts=8).max_posts
        8
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_body_bytes: Annotated[int, Field(ge=1_000, le=2_000 * MEGABYTE)] = 32 * MEGABYTE
    """Size of a request's body."""
    max_memory_bytes: Annotated[int, Field(ge=1_000, le=64_000 * MEGABYTE)] = 256 * MEGABYTE
    """Bodies that are in memory at a time, of all requests together."""
    max_pixels: Annotated[int, Field(ge=1, le=100_000_000)] = 25_000_000
    """Width x height of a picture."""
    max_characters: Annotated[int, Field(ge=1, le=100_000)] = 10_000
    """Length of a text."""
    max_posts: Annotated[int, Field(ge=1, le=10_000)] = 64
    """Posts of a request."""
    max_pictures: Annotated[int, Field(ge=1, le=10_000)] = 128
    """Pictures of a request."""
    max_waiting: Annotated[int, Field(ge=1, le=100_000)] = 256
    """Posts and pictures of all requests that wait for their answer; it bounds memory and the time of waiting."""
    max_connections: Annotated[int, Field(ge=1, le=100_000)] = 512
    """Open connections. Where there are more, the one that has been idle longest is closed."""
    max_batch: Annotated[int, Field(ge=1, le=4_096)] = 32
    """Posts that are computed together."""
    max_wait_ms: Annotated[float, Field(ge=0, le=1_000)] = 5.0
    """Time that a batch waits for further posts, in milliseconds."""
    max_explaining: Annotated[int, Field(ge=1, le=1_000)] = 8
    """Explanations that wait or are computed."""
    reader_threads: Annotated[int, Field(ge=1, le=64)] = 2
    """Threads that parse requests and decode pictures."""
    head_seconds: Annotated[float, Field(gt=0, le=3_600)] = 10.0
    """Time for the lines of a request before its body, and for the next request of a connection."""
    body_pause_seconds: Annotated[float, Field(gt=0, le=3_600)] = 10.0
    """Time between two pieces of a body."""
    body_seconds: Annotated[float, Field(gt=0, le=3_600)] = 120.0
    """Time for a whole body."""
    answer_seconds: Annotated[float, Field(gt=0, le=3_600)] = 60.0
    """Time from the end of a body to the answer."""
    write_seconds: Annotated[float, Field(gt=0, le=3_600)] = 20.0
    """Time for a client to take what was sent."""
    shutdown_seconds: Annotated[float, Field(gt=0, le=3_600)] = 30.0
    """Time for the requests that are there when the service is told to end."""
    hosts: tuple[str, ...] = ()
    """Names under which the service may be called, beside ``localhost`` and plain addresses."""
