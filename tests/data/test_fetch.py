"""Pictures at addresses, from a server of this machine."""

from __future__ import annotations

import gzip
import io
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image

from clfa.data import fetch as fetching
from clfa.data import read_corpus, validate
from clfa.data.fetch import fetch
from clfa.data.images import MissingImageError, load_image, read_image_bytes
from clfa.errors import ImageError
from clfa.tables import hosts
from clfa.tables.access import Access
from clfa.tables.gate import ADDRESS
from clfa.tables.hosts import PRIVATE_HOST, PrivateHostError
from posts import write_csv


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (3, 2), "red").save(buffer, "PNG")
    return buffer.getvalue()


class Handler(BaseHTTPRequestHandler):
    """Answers by path; ``asked`` has the paths of all requests."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        _, _, target = self.path.partition("?")
        if self.path.startswith("/to"):
            self.send_response(302)
            self.send_header("Location", target)
            self.end_headers()
            return
        status = 404 if self.path.startswith("/gone") else 500 if self.path.startswith("/broken") else 200
        self.send_response(status)
        content = {"/gzip": gzip.compress(png()), "/text": b"root:x:0:0"}.get(self.path, png())
        if self.path == "/gzip":
            self.send_header("Content-Encoding", "gzip")
        if self.path not in ("/endless", "/slow"):
            self.send_header("Content-Length", str(10 if self.path == "/short" else len(content)))
        self.end_headers()
        try:
            if self.path == "/slow":
                for byte in content:
                    self.wfile.write(bytes([byte]))
                    time.sleep(0.2)
            while self.path == "/endless":
                self.wfile.write(bytes(1 << 16))
            if self.path != "/silent":
                self.wfile.write(content)
            else:
                time.sleep(20)
        except OSError:
            # The client has read enough.
            return

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    Handler.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.daemon_threads = True
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        # Private hosts, as this machine, need the permission.
        yield f"private::http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()


def test_pictures_on_the_web(server: str) -> None:
    for path in ("/a.png", "/to?/a.png", "/to?/to?/a.png"):
        assert read_image_bytes(f"{server}{path}") == png()
    assert load_image(f"simplecache::{server}/a.png").size == (3, 2)
    assert load_image({"bytes": None, "path": server.replace("http", "HTTP") + "/a.png"}).size == (3, 2)


@pytest.mark.parametrize("path", ["/endless", "/a.png"])
def test_the_limit_of_size_holds_while_reading(server: str, path: str) -> None:
    limit = 60 if path == "/a.png" else 200_000
    assert len(fetch(f"{server}{path}", limit)) == limit + 1
    with pytest.raises(ImageError, match=rf"{path}: image is too large \(more than {limit:,} bytes\)"):
        read_image_bytes(f"{server}{path}", max_bytes=limit)


@pytest.mark.parametrize("path", ["/slow", "/silent"])
def test_the_limit_of_time(server: str, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr(fetching, "MAX_SECONDS", 0.5)
    start = time.monotonic()
    with pytest.raises(
        ImageError, match=rf"^{server}{path}: (not read within 0\.5 s|image cannot be read: .*timed out)"
    ):
        read_image_bytes(f"{server}{path}")
    assert time.monotonic() - start < 10


@pytest.mark.parametrize("place", ["file:///etc/passwd", "ftp://127.0.0.1/a", "https://127.0.0.1/a.png", "data:,x"])
def test_redirections_to_other_schemes(server: str, place: str) -> None:
    with pytest.raises(ImageError, match=r"the server redirects to another scheme \(|HTTP Error 302"):
        read_image_bytes(f"{server}/to?{place}")


def test_what_goes_wrong(server: str) -> None:
    with pytest.raises(MissingImageError, match=r"/gone\.png: image file not found"):
        read_image_bytes(f"{server}/gone.png")
    with pytest.raises(ImageError, match="/broken: image cannot be read: HTTPError: HTTP Error 500"):
        read_image_bytes(f"{server}/broken")
    with pytest.raises(ImageError, match=r"^private::http://127\.0\.0\.1:9/a: image cannot be read: URLError"):
        read_image_bytes("private::http://127.0.0.1:9/a")
    with pytest.raises(ImageError, match="image cannot be read: InvalidURL"):
        read_image_bytes(f"{server}/a b\r\nx: y")
    with pytest.raises(ImageError, match="image cannot be read: HTTPError"):
        read_image_bytes(f"{server}/to?/to")
    # Nothing is decompressed on the way.
    for path in ("/gzip", "/text", "/short"):
        with pytest.raises(ImageError, match=rf"{path}: (not an image|image is broken)"):
            load_image(f"{server}{path}")
    with pytest.raises(ImageError, match=r"^nosuch://a: image cannot be read: ValueError: Protocol not known"):
        read_image_bytes("nosuch://a")


def test_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("aiohttp", "s3fs", "requests"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(
        ImageError, match=r"^private::zip://a::http://h/a\.zip: addresses of 'http' need .*clfa\[urls\]"
    ):
        read_image_bytes("private::zip://a::http://h/a.zip")
    with pytest.raises(ImageError, match=r"^s3://bucket/a: addresses of 's3' need another package: pip install s3fs"):
        read_image_bytes("s3://bucket/a")


def test_archives_and_data(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", png())
        archive.writestr("zeros", bytes(10_000_000))
    table = write_csv(
        tmp_path / "posts.csv",
        [
            {"text": f"day {n}", "label": "x", "image": f"zip://{name}::a.zip"}
            for n, name in enumerate(["a.png", "zeros"])
        ],
    )
    corpus = validate(read_corpus("table", table, as_split="test", access=Access.of("zip")), progress=False)
    assert (corpus.splits["test"]["text"][:], corpus.dropped_counts()) == (["day 0"], {"unreadable image": 1})
    with pytest.raises(ImageError, match="image is too large"):
        read_image_bytes(f"zip://zeros::{tmp_path / 'a.zip'}", max_bytes=1000)
    import base64

    assert read_image_bytes(f"data:image/png;base64,{base64.b64encode(png()).decode()}") == png()


def test_rows(server: str, tmp_path: Path) -> None:
    names = ["a.png", "gone.png", "to?file:///etc/passwd", "text"]
    rows = [{"text": f"day {n}", "label": "x", "image": f"{server}/{name}"} for n, name in enumerate(names)]
    table = write_csv(tmp_path / "posts.csv", rows)
    corpus = validate(read_corpus("table", table, as_split="test"), progress=False)
    assert corpus.dropped_counts() == {ADDRESS: 4}
    assert Handler.asked == []
    for row in rows:
        row["image"] = row["image"].removeprefix("private::")
    corpus = validate(read_corpus("table", rows, as_split="test", access=Access.of("http")), progress=False)
    assert corpus.dropped_counts() == {PRIVATE_HOST: 4}
    assert Handler.asked == []
    both = Access.of(["http", "private"])
    corpus = validate(read_corpus("table", rows, as_split="test", access=both), progress=False)
    assert corpus.splits["test"]["text"][:] == ["day 0"]
    assert corpus.dropped_counts() == {"unreadable image": 2, "missing image": 1}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0177.0.0.1", "2130706433", "0.0.0.0"])
def test_private_hosts(server: str, host: str) -> None:
    place = server.removeprefix("private::").replace("127.0.0.1", host)
    with pytest.raises(
        PrivateHostError, match=r"/a\.png: leads to the private host .*data\.allow_urls=\[https, private\]"
    ):
        read_image_bytes(f"{place}/a.png")
    assert Handler.asked == []


def test_redirections_to_private_hosts(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "is_public", lambda address: address == "127.0.0.1")
    place = server.removeprefix("private::")
    assert read_image_bytes(f"{place}/to?{place}/a.png") == png()
    other = place.replace("127.0.0.1", "127.0.0.2")
    with pytest.raises(PrivateHostError, match=r"leads to the private host 127\.0\.0\.2 \(127\.0\.0\.2\)"):
        read_image_bytes(f"{place}/to?{other}/a.png")


def test_a_proxy_may_be_private_but_not_what_it_is_asked_for(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.removeprefix("private::"))
    monkeypatch.setenv("no_proxy", "")
    known = hosts.socket.getaddrinfo
    public = [(2, 1, 6, "", ("93.184.216.34", 80))]
    monkeypatch.setattr(hosts.socket, "getaddrinfo", lambda h, *a, **k: public if h == "a.test" else known(h, *a, **k))
    assert read_image_bytes("http://a.test/a.png") == png()
    assert Handler.asked == ["http://a.test/a.png"]
    with pytest.raises(PrivateHostError, match=r"private host 169\.254\.169\.254"):
        read_image_bytes("http://169.254.169.254/latest/meta-data/a.png")
    assert len(Handler.asked) == 1


@pytest.mark.parametrize(
    "address", ["zip://a.png::https://example.com/a.zip", "sftp://127.0.0.1/a.png", "ftp://localhost/a"]
)
def test_hosts_of_other_protocols(address: str) -> None:
    with pytest.raises(
        PrivateHostError, match="^" + address.replace("::", "::") + ": (leads to the|clfa cannot check)"
    ):
        read_image_bytes(address)
