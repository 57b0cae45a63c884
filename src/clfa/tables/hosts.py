"""Hosts that the addresses in rows lead to: public ones alone, unless private ones are permitted.

An address may lead to this machine, to the network it is in, or to the service that gives a machine in a cloud its
credentials (169.254.169.254), also by a name or a redirection. Names are resolved once, and the connection goes to the
addresses that were checked.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Any
from urllib.parse import unquote, urlsplit

from clfa.errors import ImageError

# Stands in `allow_urls`, and as the first link of an address whose hosts need no check.
PRIVATE = "private"
# Reason of refusals, for counting.
PRIVATE_HOST = "image needs allow_urls private"

# Schemes with the name of a host after them; those of object stores have the name of a bucket there.
_WITH_HOST = frozenset({"ftp", "hdfs", "http", "https", "sftp", "smb", "ssh", "webdav", "webhdfs"})
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class PrivateHostError(ImageError):
    """An address in a row that leads to a private host."""


def is_public(address: str) -> bool:
    """Return whether an IP address belongs to a host of the Internet.

    Args:
        address: An IPv4 or IPv6 address, with or without a zone.

    Example:
        >>> is_public("8.8.8.8"), is_public("169.254.169.254"), is_public("::ffff:10.0.0.1")
        (True, False, False)
    """
    given = ipaddress.ip_address(address.partition("%")[0])
    return all(
        one.is_global and not (one.is_multicast or one.is_reserved or getattr(one, "is_site_local", False))
        for one in _inside(given)
    )


def _inside(address: _Address) -> list[_Address]:
    """Return the IPv4 addresses that an IPv6 address stands for; any other address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    if address in _TRANSLATED:
        return [ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)]
    inner = address.ipv4_mapped or address.sixtofour
    return [inner] if inner is not None else [*(address.teredo or ()), address]


def public_addresses(host: str, port: int | None = None) -> list[tuple[Any, ...]]:
    """Resolve a host, and return its addresses as ``socket.getaddrinfo`` does.

    Raises:
        PrivateHostError: If one of them is private.
        OSError: If the host is not known.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for *_, place in found:
        if not is_public(str(place[0])):
            raise PrivateHostError(
                f"leads to the private host {host} ({place[0]}); permit such with `private` beside the scheme in "
                "allow_urls (data.allow_urls=[https, private] in a recipe, --allow-urls private)"
            )
    return list(found)


def connect_publicly(
    address: tuple[str, int], timeout: Any = None, source_address: tuple[str, int] | None = None
) -> socket.socket:
    """Connect to a public host, as ``socket.create_connection`` does to any.

    Args:
        address: Host and port.
        timeout: Seconds.
        source_address: Address to connect from.

    Raises:
        PrivateHostError: If the host is private.
        OSError: If it is not known, or there is no connection.
    """
    problem: OSError | None = None
    for family, kind, protocol, _, place in public_addresses(*address):
        made = socket.socket(family, kind, protocol)
        try:
            if isinstance(timeout, (int, float)):
                made.settimeout(timeout)
            if source_address is not None:
                made.bind(source_address)
            made.connect(place)
            return made
        except OSError as error:
            made.close()
            problem = error
    raise problem or OSError(f"{address[0]} has no address")


def require_public(link: str) -> None:
    """Check the host of one link of an address. It is resolved again where it is opened.

    Args:
        link: For instance ``sftp://host/a.jpg``; links without a host, as ``s3://bucket/a.jpg``, are not checked.

    Raises:
        PrivateHostError: If the host is private.
    """
    try:
        parts = urlsplit(link)
        host = parts.hostname if parts.scheme.lower() in _WITH_HOST else None
        if host:
            public_addresses(unquote(host))
    except (OSError, ValueError):
        # Where it is opened, the error says what is wrong.
        return


def names_private_host(address: str) -> bool:
    """Return whether an address that the user named, as that of a table, leads to a private host.

    Args:
        address: An address, chained or not.
    """
    try:
        for link in address.split("::"):
            require_public(link)
    except PrivateHostError:
        return True
    return False
