"""A sink that is a web page: http://host:port/, with all that it needs, offline.

A browser holds one connection, on which it is told how screening stands every `PUSH` seconds, and shown pictures every
`PICTURES` where there are new ones. Each connection is told the newest only: one that does not read is not waited for
by anything but its own task, and nothing is kept for it.
"""

import asyncio
import json
import math
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import uvicorn
from numpy.typing import NDArray
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from screen.page.pictures import Pictures
from screen.stream.ledger import Record
from screen.stream.status import Status

PUSH, PICTURES = 0.15, 1.0
"""[s]; a change waits for the next push, so that 0.1 s are left of the quarter of a second in which it is to be seen"""
MOST_BROWSERS = 64
"""At once; one more is told to come later"""
FILES = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; connect-src 'self'; img-src data:; script-src 'self'; "
    "style-src 'self'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class Page:
    """A sink that shows what is decided."""

    def __init__(self, port: int, host: str = "127.0.0.1"):
        """Serve; port 0 takes a free one. OSError where it is taken."""
        self._pictures, self._status = Pictures(), _nothing
        self._rendered: tuple[int, float, str] = (-1, 0.0, "")
        self._browsers, self._closing = 0, False
        self._socket = socket.create_server((host, port), reuse_port=False)
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://{host}:{self.port}/"
        app = Starlette(
            routes=[
                *(Route(path, _file(*named)) for path, named in FILES.items()),
                Route("/status", self._tell),
                Route("/events", self._events),
            ]
        )
        config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=1, lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="page", daemon=True)
        self._thread.start()

    def watch(self, status: Callable[[], Status]) -> None:
        """From now on tell how this stands."""
        self._status = status

    def decided(self, records: Sequence[Record], images: NDArray | None) -> None:
        """Keep the last frames, and add them up."""
        if images is not None:
            self._pictures.add(records, images)

    def close(self) -> None:
        """Tell a last time how it stands, and end."""
        time.sleep(2 * PUSH if self._browsers else 0)
        self._closing = self._server.should_exit = True
        self._thread.join(5)
        self._socket.close()

    async def _tell(self, request: Request) -> Response:
        return JSONResponse(self._said(), headers=HEADERS)

    def _said(self) -> dict[str, Any] | None:
        status = self._status()
        return None if status is None else {name: _plain(value) for name, value in asdict(status).items()}

    async def _events(self, request: Request) -> Response:
        if self._browsers >= MOST_BROWSERS:
            return Response(f"{self._browsers} browsers look on already; close one", 503, HEADERS)
        return StreamingResponse(self._stream(), media_type="text/event-stream", headers=HEADERS)

    async def _stream(self) -> AsyncIterator[str]:
        self._browsers += 1
        shown, due = -1, 0.0
        try:
            while not self._closing:
                if (said := self._said()) is not None:
                    yield f"event: status\ndata: {json.dumps(said)}\n\n"
                if time.monotonic() >= due and self._pictures.version != shown:
                    shown, due = self._pictures.version, time.monotonic() + PICTURES
                    yield f"event: pictures\ndata: {await asyncio.to_thread(self._picture_event)}\n\n"
                await asyncio.sleep(PUSH)
        finally:
            self._browsers -= 1

    def _picture_event(self) -> str:
        """The same for all browsers, made no more often than shown."""
        version, made, text = self._rendered
        if version != self._pictures.version and time.monotonic() - made >= PICTURES / 2:
            version, text = self._pictures.version, json.dumps(self._pictures.rendered())
            self._rendered = version, time.monotonic(), text
        return text


def _nothing() -> Any:
    return None


def _plain(value: Any) -> Any:
    """As JSON has it, in which there is no NaN."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _file(name: str, kind: str) -> Callable[[Request], Response]:
    text = (Path(__file__).parent / name).read_text(encoding="utf-8")

    async def answer(request: Request) -> Response:
        return Response(text, media_type=kind, headers=HEADERS)

    return answer  # type: ignore[return-value]
