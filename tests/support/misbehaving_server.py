"""A real HTTP server that speaks chat completions, and misbehaves as a test tells it to."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "llama-3-70b"


@dataclass
class Reply:
    """What the server sends back."""

    content: str | None = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    """In place of a completion."""
    finish: str = "stop"
    refusal: str | None = None
    delay_s: float = 0.0
    model: str = MODEL
    drop: bool = False
    """Close the connection without a word."""


Behave = Callable[[str, str, int], Reply]
"""From the caption, the category and how often this was asked before to a reply."""


def edited(caption: str) -> str:
    """The answer of a good editor."""
    text = caption.rstrip(" .")
    return json.dumps({"caption": f"{text} next to a handgun.", "element": "a handgun"})


def good(caption: str, category: str, times: int) -> Reply:
    return Reply(edited(caption))


class Server:
    """What the server was asked, and where it is."""

    def __init__(self, behave: Behave) -> None:
        self.behave = behave
        self.asked: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self.keys: set[str | None] = set()
        self.times: list[float] = []
        self.lock = threading.Lock()
        self.at_once = self.most_at_once = 0
        self.url = ""

    @property
    def name(self) -> str:
        """Name of the editor."""
        return f"openai:{self.url}#{MODEL}"


@contextmanager
def serving(behave: Behave = good) -> Iterator[Server]:
    """Run a server on a free port."""
    server = Server(behave)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked = json.loads(body["messages"][-1]["content"])
            caption = asked["caption"]
            with server.lock:
                times = server.asked.count(caption)
                server.asked.append(caption)
                server.bodies.append(body)
                server.keys.add(self.headers["Authorization"])
                server.times.append(time.monotonic())
                server.at_once += 1
                server.most_at_once = max(server.most_at_once, server.at_once)
            reply = server.behave(caption, asked["category"], times)
            if self.path != "/v1/chat/completions":
                reply = Reply(status=404)
            time.sleep(reply.delay_s)
            with server.lock:
                server.at_once -= 1
            self.send(reply)

        def send(self, reply: Reply) -> None:
            if reply.drop:
                self.close_connection = True
                return
            message = {"role": "assistant", "content": reply.content, "refusal": reply.refusal}
            choice = {"index": 0, "message": message, "finish_reason": reply.finish}
            body = reply.body
            if body is None:
                body = json.dumps({"model": reply.model, "choices": [choice]}).encode()
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.handle_error = lambda *arguments: None  # type: ignore[method-assign]
        server.url = f"http://127.0.0.1:{http.server_port}/v1"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()
