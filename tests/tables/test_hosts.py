"""Hosts that addresses lead to."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from clfa.cli.access_options import allowed_urls
from clfa.tables import hosts
from clfa.tables.access import Access
from clfa.tables.gate import ADDRESS, PermittedAddress, PictureGate
from clfa.tables.hosts import PrivateHostError, connect_publicly, is_public
from clfa.tables.pictures import refusal

_PRIVATE = """127.0.0.1 127.8.9.1 10.1.2.3 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 100.64.0.1 0.0.0.0
255.255.255.255 224.0.0.1 240.0.0.1 192.0.2.1 198.18.0.1 ::1 :: fe80::1 fe80::1%eth0 fc00::1 fd00:ec2::254 ff02::1
fec0::1 ::ffff:127.0.0.1 ::ffff:169.254.169.254 ::127.0.0.1 64:ff9b::a00:1 2002:7f00:1:: 2001:db8::1
2001:0:4136:e378:8000:63bf:3fff:fdd2"""
_PUBLIC = "8.8.8.8 93.184.216.34 172.32.0.1 2606:4700::1111 ::ffff:8.8.8.8 64:ff9b::808:808 2002:808:808::1"


@pytest.mark.parametrize("address", _PRIVATE.split())
def test_private(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", _PUBLIC.split())
def test_public(address: str) -> None:
    assert is_public(address)


class Connection:
    """A socket that keeps what it is connected to; the first address does not answer."""

    places: list[Any]

    def __init__(self, *kind: Any) -> None:
        self.closed = False

    def settimeout(self, seconds: float) -> None:
        assert seconds == 3

    def connect(self, place: Any) -> None:
        self.places.append(place)
        if len(self.places) == 1:
            raise OSError("no answer")

    def close(self) -> None:
        self.closed = True


def test_a_name_is_resolved_once(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [["93.184.216.34", "93.184.216.35"], ["127.0.0.1"]]

    def resolve(host: str, port: int, **options: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (place, port)) for place in answers.pop(0)]

    monkeypatch.setattr(hosts.socket, "getaddrinfo", resolve)
    monkeypatch.setattr(hosts.socket, "socket", Connection)
    Connection.places = []
    assert not connect_publicly(("a.test", 80), 3).closed
    assert Connection.places == [("93.184.216.34", 80), ("93.184.216.35", 80)]
    with pytest.raises(PrivateHostError, match=r"the private host a\.test \(127\.0\.0\.1\)"):
        connect_publicly(("a.test", 80), 3)
    answers.append(["8.8.8.8", "10.0.0.1"])
    with pytest.raises(PrivateHostError):
        connect_publicly(("a.test", 80), 3)
    answers.append([])
    with pytest.raises(OSError, match=r"a\.test has no address"):
        connect_publicly(("a.test", 80), 3)


def test_private_hosts_have_to_be_named() -> None:
    row = "private::http://10.0.0.1/a.jpg"
    for urls in (True, "http", ["all"]):
        gate = PictureGate("", Access.of(urls))
        found = gate(row)
        assert isinstance(found, dict)
        assert refusal(found["bytes"])[0] == ADDRESS
        assert gate("http://10.0.0.1/a.jpg") == "http://10.0.0.1/a.jpg"
    for urls in (["http", "private"], allowed_urls(["all", "private"])):
        gate = PictureGate("", Access.of(urls))
        for address in (row, "http://10.0.0.1/a.jpg"):
            found = gate(address)
            assert isinstance(found, PermittedAddress)
            assert found == row
    assert Access.of(["all"]) == Access.of(allowed_urls(["all"])) == Access(urls=True)
    assert not Access.of(["private"]).allows("http")


def test_a_folder_on_a_private_host_that_the_user_names() -> None:
    assert PictureGate("http://127.0.0.1:9/posts")("a.jpg") == "private::http://127.0.0.1:9/posts/a.jpg"
    assert PictureGate("s3://127.0.0.1/posts")("a.jpg") == "s3://127.0.0.1/posts/a.jpg"
