"""Who may ask: a bearer token, the names of the service, and no page of another site."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from clfa.errors import Argument, DataError
from clfa.serving.refusal import Refusal

MIN_TOKEN = 16


def read_token(path: str | Path) -> str:
    """Return the token in a file.

    Raises:
        DataError: If the file cannot be read, or holds anything but one token.
    """
    try:
        token = Path(path).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: the token cannot be read: {error}") from error
    if len(token) < MIN_TOKEN or not token.isprintable() or " " in token:
        raise DataError(
            f"{path}: a token is one line of at least {MIN_TOKEN} letters, digits or signs; make one with "
            "`openssl rand -hex 32` and give it as ",
            Argument("token_file"),
            ".",
        )
    return token


def is_loopback(host: str) -> bool:
    """Return whether an address to listen on is reached from this machine alone.

    Example:
        >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
        (True, True, False)
    """
    address = _address(host)
    return host == "localhost" if address is None else address.is_loopback


def check_host(headers: Mapping[str, str], names: Sequence[str]) -> None:
    """Check that a request names the service as its owner does.

    A page of another site can make its own name lead to this machine (DNS rebinding), and would then be a page of this
    service to the browser. It cannot do so with a plain address, so that these are let in.

    Args:
        headers: Headers of the request, in lower case.
        names: Further names.

    Raises:
        Refusal: If the name is another.
    """
    name = _name(headers.get("host", ""))
    if name != "localhost" and _address(name) is None and name not in {one.lower() for one in names}:
        raise Refusal(
            "unknown_host", "The service is not known under this name; its owner can add it with --host-name."
        )


def check_origin(headers: Mapping[str, str]) -> None:
    """Check that a request does not come from a page of another site.

    Args:
        headers: Headers of the request, in lower case.

    Raises:
        Refusal: If it does.
    """
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower():
        raise Refusal("cross_origin", "Pages of other sites may not use this service.")
    if headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        raise Refusal("cross_origin", "Pages of other sites may not use this service.")


def check_token(headers: Mapping[str, str], token: str | None) -> None:
    """Check the bearer token, in a time that does not depend on what is right about it.

    Args:
        headers: Headers of the request, in lower case.
        token: The right token; ``None`` if none is asked for.

    Raises:
        Refusal: If it is missing or wrong.
    """
    if token is None:
        return
    scheme, _, given = headers.get("authorization", "").partition(" ")
    same = hmac.compare_digest(given.strip().encode("utf-8", "replace"), token.encode())
    if scheme.lower() != "bearer" or not same:
        raise Refusal("unauthorised", "Send the header `Authorization: Bearer TOKEN` with the service's token.")


def _name(host: str) -> str:
    """Return the name in a Host header, without its port and the brackets of an IPv6 address."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].rstrip(".")


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
