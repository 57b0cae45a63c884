"""A model hub on this machine, with the part of the HTTP API that uploads and downloads use."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

COMMIT = "1" * 40


class Hub(BaseHTTPRequestHandler):
    files: ClassVar[dict[str, dict[str, bytes]]] = {}
    asked: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.asked.append(f"POST {self.path}")
        if self.path == "/api/repos/create":
            content = json.loads(body)
            name = "/".join(filter(None, (content.get("organization"), content["name"])))
            name = name if "/" in name else f"somebody/{name}"
            if name.startswith("closed/"):
                self.answer(403, {"error": "You don't have the rights to create a model under closed"})
                return
            self.files.setdefault(name, {})
            self.answer(200, {"url": f"http://{self.headers['Host']}/{name}", "name": name, "id": name})
        elif self.path == "/api/validate-yaml":
            self.answer(200, {"errors": [], "warnings": []})
        elif found := re.fullmatch(r"/api/models/(.+)/preupload/main", self.path):
            asked = json.loads(body)["files"]
            plain = [{"path": one["path"], "uploadMode": "regular", "shouldIgnore": False} for one in asked]
            self.answer(200, {"files": plain})
        elif found := re.fullmatch(r"/api/models/(.+)/commit/main", self.path):
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.files[found[1]][line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            place = f"http://{self.headers['Host']}/{found[1]}/commit/{COMMIT}"
            self.answer(200, {"success": True, "commitUrl": place, "commitOid": COMMIT})
        else:
            self.answer(404, {"error": self.path})

    def do_GET(self) -> None:
        self.give(True)

    def do_HEAD(self) -> None:
        self.give(False)

    def give(self, whole: bool) -> None:
        path = self.path.partition("?")[0]
        self.asked.append(f"{self.command} {path}")
        found = re.fullmatch(r"/(.+?/.+?)/resolve/[^/]+/(.+)", path)
        if found is None:
            listed = re.fullmatch(r"/api/models/(.+?/[^/]+)(/.*)?", path)
            if listed is not None and listed[1] in self.files and not (listed[2] or "").startswith("/tree"):
                names = [{"rfilename": name} for name in self.files[listed[1]]]
                self.answer(200, {"id": listed[1], "sha": COMMIT, "siblings": names, "tags": []})
            else:
                self.answer(404, {"error": "not found"}, {"X-Error-Code": "EntryNotFound"})
            return
        content = self.files.get(found[1], {}).get(found[2])
        if content is None:
            self.answer(404, {"error": "not found"}, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if whole:
            self.wfile.write(content)

    def answer(self, status: int, content: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def hub() -> Iterator[tuple[str, type[Hub]]]:
    """Yield the address of a running hub, and its class with the files by repository."""
    own = type("OwnHub", (Hub,), {"files": {}, "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), own)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", own
    finally:
        server.shutdown()
        server.server_close()
