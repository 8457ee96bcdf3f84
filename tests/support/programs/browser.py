"""Headless Chromium, driven over a pipe by its DevTools protocol: pages of any width, in the dark, while they live."""

import base64
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

SWITCHES = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --remote-debugging-pipe"
)


def chromium() -> str | None:
    """Its path, if there is one."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Browser:
    """One window."""

    def __init__(self, url: str, profile: Path, width: int, height: int = 2000, *, dark: bool = False):
        (theirs_in, self._out), (self._in, theirs_out) = os.pipe(), os.pipe()
        # It reads from 3 and writes to 4.
        command = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'
        arguments = [str(chromium()), *SWITCHES.split(), f"--user-data-dir={profile}", "about:blank"]
        self._process = subprocess.Popen(
            ["bash", "-c", command, "bash", *arguments],
            pass_fds=(theirs_in, theirs_out),
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._buffer, self._number, self._session = b"", 0, None
        page = next(t for t in self.ask("Target.getTargets")["targetInfos"] if t["type"] == "page")
        self._session = self.ask("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        self.ask("Page.navigate", url=url)

    def ask(self, method: str, **params: object) -> dict:
        """The result of a command."""
        self._number += 1
        said = {"id": self._number, "method": method, "params": params}
        os.write(self._out, json.dumps(said | ({"sessionId": self._session} if self._session else {})).encode() + b"\0")
        while True:
            while b"\0" not in self._buffer:
                if not (more := os.read(self._in, 2**16)):
                    raise EOFError("Chromium ended")
                self._buffer += more
            one, _, self._buffer = self._buffer.partition(b"\0")
            answer = json.loads(one)
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def value(self, script: str) -> object:
        """Of a JavaScript expression."""
        return self.ask("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def until(self, script: str, timeout: float = 20.0) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + timeout
        while not self.value(script):
            assert time.monotonic() < end, f"{script} did not become true"
            time.sleep(0.05)

    def screenshot(self, path: Path) -> None:
        """As PNG, of the whole window."""
        path.write_bytes(base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"]))

    def close(self) -> None:
        """End it."""
        os.close(self._out)
        os.close(self._in)
        self._process.terminate()
        self._process.wait(10)
