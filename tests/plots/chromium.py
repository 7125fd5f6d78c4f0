"""Headless Chromium, controlled over its debugging pipe: real pointer and key events, and the state of the page.

The protocol is that of https://chromedevtools.github.io/devtools-protocol: JSON messages, each terminated by a zero
byte (`--remote-debugging-pipe`: the browser reads from file descriptor 3 and writes to 4).
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-pipe",
)  # fmt: skip
PATIENCE_S = 60.0
"""Time limit for an answer of the browser in seconds."""


class Chromium:
    """One tab of a browser."""

    def __init__(self, write: int, read: int) -> None:
        self.write, self.read = write, read
        self.rest, self.count, self.session = b"", 0, ""
        self.events: list[dict[str, Any]] = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: Any) -> Any:
        """Send a command and return its result; fails with the browser's error message."""
        self.count += 1
        message = {"id": self.count, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.write, json.dumps(message).encode() + b"\0")
        while (answer := self._message()).get("id") != self.count:
            self.events.append(answer)
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def _message(self) -> dict[str, Any]:
        until = time.monotonic() + PATIENCE_S
        while b"\0" not in self.rest:
            ready = select.select([self.read], [], [], max(until - time.monotonic(), 0))[0]
            assert ready, f"Chromium did not answer for {PATIENCE_S:.0f} s"
            part = os.read(self.read, 1 << 20)
            assert part, "Chromium ended"
            self.rest += part
        message, self.rest = self.rest.split(b"\0", 1)
        content: dict[str, Any] = json.loads(message)
        return content

    def open(self, page: Path, *, width: int, height: int = 800, dark: bool = False) -> None:
        """Load a file in a window of the given size; a narrow window is a phone with a touch screen."""
        phone = width < 600
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        self.send("Emulation.setTouchEmulationEnabled", enabled=phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])
        self.events.clear()
        self.send("Page.navigate", url=page.resolve().as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._message())
        self.settle()

    def run(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        done = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def settle(self) -> None:
        """Wait until the page has finished drawing."""
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(0))))")

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        """Send a mouse event: mouseMoved, mousePressed, mouseReleased or mouseWheel."""
        self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)
        self.settle()

    def click(self, x: float, y: float) -> None:
        """Move the mouse there and click."""
        self.mouse("mouseMoved", x, y)
        for kind in ("mousePressed", "mouseReleased"):
            self.mouse(kind, x, y, button="left", clickCount=1)

    def touch(self, kind: str, *points: tuple[float, float]) -> None:
        """Send a touch event, touchStart, touchMove or touchEnd, with the places of the fingers."""
        fingers = [{"x": x, "y": y, "id": k} for k, (x, y) in enumerate(points)]
        self.send("Input.dispatchTouchEvent", type=kind, touchPoints=fingers)
        self.settle()

    def type(self, text: str) -> None:
        """Type text into the element that has the focus."""
        self.send("Input.insertText", text=text)
        self.settle()

    def press(self, key: str) -> None:
        """Press a key in the element that has the focus."""
        code = {"Enter": 13, "Escape": 27, "Tab": 9, "ArrowUp": 38, "ArrowDown": 40, "ArrowLeft": 37, "ArrowRight": 39}
        text = {"text": key} if len(key) == 1 else {}
        for kind in ("keyDown", "keyUp"):
            more = {"windowsVirtualKeyCode": code.get(key, 0), **(text if kind == "keyDown" else {})}
            self.send("Input.dispatchKeyEvent", type=kind, key=key, **more)
        self.settle()

    def screenshot(self, file: Path, *, whole: bool = False) -> None:
        """Write the visible part of the page, or the whole page, as PNG."""
        shot = self.send("Page.captureScreenshot", captureBeyondViewport=whole)
        file.write_bytes(base64.b64decode(shot["data"]))

    def complaints(self) -> list[str]:
        """Script errors, blocked resources and network requests since the page was opened."""
        messages = []
        for event in self.events:
            method, what = event.get("method", ""), event.get("params", {})
            request = what.get("request", {}).get("url", "")
            network = method == "Network.requestWillBeSent" and not request.startswith(("file:", "data:"))
            wrong = method == "Log.entryAdded" and what["entry"]["level"] == "error"
            if network or wrong or method == "Runtime.exceptionThrown":
                messages.append(json.dumps(what)[:500])
        return messages


@contextmanager
def chromium(profile: Path) -> Iterator[Chromium]:
    """A browser with a new profile in a folder; skips the test if no browser is installed."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"no browser: install one of {', '.join(NAMES)} to test pages")
    # High numbers, so that no end of a pipe is file descriptor 3 or 4.
    pipes = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for _ in range(2) for end in os.pipe()]
    commands_in, commands_out, answers_in, answers_out = pipes
    call = f'exec "$@" 3<&{commands_in} 4>&{answers_out}'
    browser = subprocess.Popen(
        ["bash", "-c", call, "bash", program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
        pass_fds=(commands_in, answers_out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(commands_in)
    os.close(answers_out)
    try:
        yield Chromium(commands_out, answers_in)
    finally:
        browser.kill()
        browser.wait()
        os.close(commands_out)
        os.close(answers_in)
