"""Reading of pictures from addresses, with a limit of size that holds while reading, and a limit of time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPMessage, HTTPResponse, HTTPSConnection
from typing import IO, Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPHandler, HTTPRedirectHandler, HTTPSHandler, Request, build_opener

from clfa.errors import ImageError
from clfa.tables.hosts import PRIVATE, PrivateHostError, connect_publicly, require_public
from clfa.version import __version__

# Seconds for one picture, whatever the server does.
MAX_SECONDS = 30.0
_CHUNK = 1 << 16
# Protocols that only keep a copy of the whole file. They are left out: their copy has no limit of size.
_COPYING = ("simplecache", "filecache", "blockcache")
# What a protocol of fsspec needs.
_PACKAGES = {
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "abfs": "adlfs",
    "abfss": "adlfs",
    "az": "adlfs",
    "adl": "adlfs",
    "sftp": "paramiko",
    "ssh": "paramiko",
    "smb": "smbprotocol",
    "hf": "huggingface_hub",
    "http": "'clfa[urls]'",
    "https": "'clfa[urls]'",
}


def fetch(address: str, max_bytes: int, max_seconds: float | None = None) -> bytes:
    """Return the content at an address; of more than ``max_bytes`` bytes, one more than these.

    Args:
        address: ``https://...``, or any address of fsspec. Private hosts are refused, unless it begins with
            ``private::``.
        max_bytes: No more is read than this and one byte.
        max_seconds: Time limit; :data:`MAX_SECONDS` by default.

    Raises:
        FileNotFoundError: If there is nothing at the address.
        ImageError: If a package is missing, the time is over, or a redirection leads to another scheme.
        PrivateHostError: If it leads to a private host.
        Exception: What a file system raises for other failures.
    """
    seconds = MAX_SECONDS if max_seconds is None else max_seconds
    given = address.split("::")
    links = [link for link in given if link != PRIVATE]
    private = len(links) < len(given)
    while len(links) > 1 and links[0].partition("://")[0].lower() in _COPYING:
        del links[0]
    place = "::".join(links)
    scheme = place.partition("://")[0].lower()
    end = time.monotonic() + seconds
    if len(links) == 1 and scheme in ("http", "https"):
        return _within(seconds, address, lambda: _from_web(place, max_bytes, end, private))
    if not private:
        _check_hosts(address, links)
    return _within(seconds, address, lambda: _from_file_system(place, max_bytes, end))


def _check_hosts(address: str, links: list[str]) -> None:
    """Check the hosts of an address that a file system of fsspec opens."""
    if any(link.partition("://")[0].lower() in ("http", "https") for link in links):
        # It would follow redirections.
        raise PrivateHostError(
            f"{address}: clfa cannot check where an archive at a web address leads; permit it with `private` beside "
            "the schemes in allow_urls"
        )
    try:
        for link in links:
            require_public(link)
    except PrivateHostError as error:
        raise PrivateHostError(f"{address}: {error}") from None


def _from_web(address: str, max_bytes: int, end: float, private: bool) -> bytes:
    # Without fsspec, whose web file system needs a package and follows redirections to other schemes.
    request = Request(address, headers={"User-Agent": f"clfa/{__version__}", "Accept": "image/*"})
    try:
        handlers = () if private else (_PublicWeb, _PublicSecureWeb)
        with build_opener(_SameScheme, *handlers).open(request, timeout=max(0.1, end - time.monotonic())) as response:
            # `read1` returns what has arrived, so that a slow server does not hold it past the end.
            return _bounded(response.read1, max_bytes, end)
    except PrivateHostError as error:
        raise PrivateHostError(f"{address}: {error}") from None
    except HTTPError as error:
        error.close()
        if error.code in (404, 410):
            raise FileNotFoundError(address) from None
        raise


def _from_file_system(address: str, max_bytes: int, end: float) -> bytes:
    import fsspec

    try:
        with fsspec.open(address, "rb") as file:
            return _bounded(file.read, max_bytes, end)
    except ImportError as error:
        schemes = [link.partition("://")[0].lower() for link in address.split("::")]
        package = next((_PACKAGES[scheme] for scheme in schemes if scheme in _PACKAGES), None)
        advice = f"pip install {package}" if package else str(error)
        raise ImageError(f"addresses of {schemes[-1]!r} need another package: {advice}") from error


def _bounded(read: Callable[[int], bytes], max_bytes: int, end: float) -> bytes:
    content = bytearray()
    while len(content) <= max_bytes and (chunk := read(min(_CHUNK, max_bytes + 1 - len(content)))):
        content += chunk
        if time.monotonic() > end:
            raise TimeoutError
    return bytes(content)


class _SameScheme(HTTPRedirectHandler):
    """Follows redirections within a scheme: rows are permitted to name addresses of some schemes only."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        if urlsplit(newurl).scheme.lower() != req.type.lower():
            raise ImageError(f"the server redirects to another scheme ({newurl}); name that address instead")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _PublicConnection(HTTPConnection):
    """Connects to public hosts only."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._create_connection = connect_publicly


class _PublicSecureConnection(HTTPSConnection):
    """Connects to public hosts only."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._create_connection = connect_publicly


class _PublicWeb(HTTPHandler):
    """Opens addresses of public hosts, also those of redirections."""

    def http_open(self, req: Request) -> HTTPResponse:
        return self.do_open(HTTPConnection if _through_proxy(req) else _PublicConnection, req)


class _PublicSecureWeb(HTTPSHandler):
    """As :class:`_PublicWeb`."""

    def https_open(self, req: Request) -> HTTPResponse:
        kind = HTTPSConnection if _through_proxy(req) else _PublicSecureConnection
        return self.do_open(kind, req, context=self._context)  # type: ignore[attr-defined]


def _through_proxy(request: Request) -> bool:
    """Return whether a request goes to a proxy of the user, which may be private; what it asks for may not.

    Raises:
        PrivateHostError: If it asks for a private host. A name that only the proxy can resolve is left to it.
    """
    if not request.has_proxy() and not getattr(request, "_tunnel_host", None):
        return False
    require_public(request.full_url)
    return True


def _within(seconds: float, address: str, read: Callable[[], bytes]) -> bytes:
    """Return the result of a function, or raise an error when the time is over.

    The function runs in a thread, because not every file system has a limit of time. A thread that still waits is left
    behind; it does not keep the program from ending.
    """
    result: list[Any] = []

    def run() -> None:
        try:
            result.append(read())
        except BaseException as error:
            result.append(error)

    thread = threading.Thread(target=run, name="clfa-fetch", daemon=True)
    thread.start()
    thread.join(seconds + 0.5)
    if not result or isinstance(result[0], TimeoutError):
        raise ImageError(f"{address}: not read within {seconds:g} s")
    if isinstance(result[0], BaseException):
        raise result[0]
    content: bytes = result[0]
    return content
