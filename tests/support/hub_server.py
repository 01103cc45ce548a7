"""A real HTTP server that speaks what a push uses of the Hub's API, and keeps the files."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

ACCOUNTS: dict[str, dict[str, Any]] = {
    "hf_writer": {"name": "ann", "orgs": [{"name": "lab"}], "role": "write"},
    "hf_reader": {"name": "ann", "orgs": [{"name": "lab"}], "role": "read"},
    "hf_fine": {"name": "ann", "orgs": [], "role": "fineGrained"},
}
_LARGE = (".parquet", ".png", ".jpg")
"""Files that the Hub stores outside git."""
_ID = r"(?P<name>[^/]+/[^/]+)"


@dataclass
class Stored:
    """A repository of a data set."""

    private: bool
    gated: Any = False
    files: dict[str, bytes] = field(default_factory=lambda: {".gitattributes": b"*.parquet lfs\n"})
    commits: list[list[dict[str, Any]]] = field(default_factory=list)

    @property
    def head(self) -> str:
        return hashlib.sha1(str(len(self.commits)).encode()).hexdigest()


@dataclass
class Hub:
    """What the server keeps and was asked."""

    url: str = ""
    repos: dict[str, Stored] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    """Large files by sha256, also those of no commit yet."""
    asked: list[str] = field(default_factory=list)
    fail: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Status and message of requests whose `METHOD path` holds the key."""
    hold_after: int | None = None
    """Number of large files after which the next one is never answered."""
    holding: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    puts: list[str] = field(default_factory=list)

    def data(self, name: str) -> dict[str, bytes]:
        """Return the files of a data set, without the Hub's own."""
        found = self.repos[name].files
        return {path: data for path, data in found.items() if path != ".gitattributes"}


class _RefusedError(Exception):
    def __init__(
        self, status: int, message: str, code: str | None = None, more: Any = None
    ) -> None:
        self.status, self.message, self.code, self.more = status, message, code, more or {}


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._reply(200, {})

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def _answer(self) -> None:
        body = self._body()
        path = unquote(urlsplit(self.path).path)
        asked = f"{self.command} {path}"
        self.hub.asked.append(asked)
        try:
            for part, (status, message) in self.hub.fail.items():
                if part in asked:
                    raise _RefusedError(status, message)
            for pattern, method in _ROUTES:
                if match := re.fullmatch(pattern, asked):
                    self._reply(200, getattr(self, method)(body, **match.groupdict()))
                    return
            raise _RefusedError(404, "Not Found")
        except _RefusedError as error:
            self._reply(error.status, {"error": error.message, **error.more}, error.code)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _reply(self, status: int, values: Any, code: str | None = None) -> None:
        data = json.dumps(values).encode()
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        if status >= 400:
            self.send_header("X-Error-Message", values["error"])
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        with contextlib.suppress(BrokenPipeError):  # who asked may have been killed
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

    def _account(self) -> dict[str, Any]:
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if token not in ACCOUNTS:
            raise _RefusedError(401, "Invalid credentials in Authorization header")
        return ACCOUNTS[token]

    def _repo(self, name: str, *, write: bool = False) -> Stored:
        account = self._account()
        owners = ["lab", account["name"]]
        found = self.hub.repos.get(name)
        mine = name.partition("/")[0] in owners
        if found is None or (found.private and not mine):
            raise _RefusedError(404, "Repository not found", "RepoNotFound")
        if write and (not mine or account["role"] == "read"):
            raise _RefusedError(403, "Forbidden: pass a token with write access")
        return found

    def whoami(self, body: bytes) -> Any:
        account = self._account()
        token = {"displayName": "laptop", "role": account["role"]}
        return {
            "type": "user",
            "name": account["name"],
            "orgs": account["orgs"],
            "auth": {"type": "access_token", "accessToken": token},
        }

    def create(self, body: bytes) -> Any:
        asked, account = json.loads(body), self._account()
        owner = asked.get("organization") or account["name"]
        name = f"{owner}/{asked['name']}"
        assert asked["type"] == "dataset"
        if owner not in ("lab", account["name"]):
            raise _RefusedError(403, f"You don't have the rights to create a dataset under {owner}")
        if name in self.hub.repos:
            raise _RefusedError(409, "You already created this dataset repo")
        private = asked.get("visibility") == "private" or asked.get("private") is True
        self.hub.repos[name] = Stored(private=private)
        return {"url": f"{self.hub.url}/datasets/{name}", "name": name}

    def settings(self, body: bytes, name: str) -> Any:
        repo, asked = self._repo(name, write=True), json.loads(body)
        repo.gated = asked.get("gated", repo.gated)
        if "visibility" in asked or "private" in asked:
            repo.private = asked.get("visibility") == "private" or asked.get("private") is True
        return {}

    def info(self, body: bytes, name: str) -> Any:
        repo = self._repo(name)
        return {
            "_id": "1",
            "id": name,
            "sha": repo.head,
            "private": repo.private,
            "gated": repo.gated,
            "tags": [],
            "downloads": 0,
            "likes": 0,
            "siblings": [{"rfilename": path} for path in repo.files],
        }

    def tree(self, body: bytes, name: str) -> Any:
        return [_entry(path, data) for path, data in self._repo(name).files.items()]

    def yaml(self, body: bytes) -> Any:
        content = json.loads(body)["content"]
        if "license: no-such" in content:
            wrong = {"message": '"license" must be one of a list'}
            raise _RefusedError(400, "Invalid YAML", more={"errors": [wrong], "warnings": []})
        return {"errors": [], "warnings": []}

    def preupload(self, body: bytes, name: str) -> Any:
        files = json.loads(body)["files"]
        assert len(files) <= 256
        self._repo(name, write=True)
        return {
            "files": [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["path"].endswith(_LARGE) else "regular",
                    "shouldIgnore": False,
                }
                for file in files
            ]
        }

    def batch(self, body: bytes, name: str) -> Any:
        self._repo(name, write=True)
        objects = []
        for each in json.loads(body)["objects"]:
            place = {"upload": {"href": f"{self.hub.url}/lfs/{each['oid']}"}}
            known = each["oid"] in self.hub.objects
            objects.append({**each, **({} if known else {"actions": place})})
        return {"transfer": "basic", "objects": objects}

    def store(self, body: bytes, oid: str) -> Any:
        with self.hub.lock:
            number = len(self.hub.puts)
            self.hub.puts.append(oid)
        if self.hub.hold_after is not None and number >= self.hub.hold_after:
            self.hub.holding.set()
            threading.Event().wait(30)
        if hashlib.sha256(body).hexdigest() != oid:
            raise _RefusedError(400, "wrong content")
        self.hub.objects[oid] = body
        return {}

    def commit(self, body: bytes, name: str) -> Any:
        repo = self._repo(name, write=True)
        header, *lines = [json.loads(line) for line in body.splitlines()]
        if header["value"].get("parentCommit") not in (None, repo.head):
            raise _RefusedError(412, "A commit has happened since. Please refresh and try again.")
        files = dict(repo.files)
        for line in lines:
            key, value = line["key"], line["value"]
            if key == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif key == "lfsFile":
                if value["oid"] not in self.hub.objects:
                    raise _RefusedError(400, f"LFS pointer to no file: {value['path']}")
                files[value["path"]] = self.hub.objects[value["oid"]]
            else:
                assert key == "deletedFile", key
                del files[value["path"]]
        repo.files = files
        repo.commits.append(lines)
        return {
            "success": True,
            "commitOid": repo.head,
            "commitUrl": f"{self.hub.url}/datasets/{name}/commit/{repo.head}",
        }


_ROUTES = [
    (r"GET /api/whoami-v2", "whoami"),
    (r"POST /api/repos/create", "create"),
    (r"POST /api/validate-yaml", "yaml"),
    (rf"PUT /api/datasets/{_ID}/settings", "settings"),
    (rf"GET /api/datasets/{_ID}", "info"),
    (rf"GET /api/datasets/{_ID}/tree/main/?", "tree"),
    (rf"POST /api/datasets/{_ID}/preupload/main", "preupload"),
    (rf"POST /datasets/{_ID}\.git/info/lfs/objects/batch", "batch"),
    (r"PUT /lfs/(?P<oid>[0-9a-f]{64})", "store"),
    (rf"POST /api/datasets/{_ID}/commit/main", "commit"),
]


def _entry(name: str, data: bytes) -> dict[str, Any]:
    blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    entry: dict[str, Any] = {"type": "file", "path": name, "size": len(data), "oid": blob}
    if name.endswith(_LARGE):
        sha = hashlib.sha256(data).hexdigest()
        pointer = hashlib.sha1(sha.encode()).hexdigest()
        entry |= {"oid": pointer, "lfs": {"oid": sha, "size": len(data), "pointerSize": 134}}
    return entry


@contextmanager
def serve() -> Iterator[Hub]:
    """Serve a Hub on this machine until the end of the context."""
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
