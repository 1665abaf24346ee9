# SPDX-License-Identifier: GPL-2.0-only
"""A headless Chromium for tests: its DevTools protocol over a pair of pipes, by the standard library alone."""

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BINARY = shutil.which("chromium") or shutil.which("chromium-browser") or ""
LACKS = "" if BINARY else "no chromium: apt-get install -y --no-install-recommends chromium"

KEYS = {"Enter": 13, "Escape": 27, "PageUp": 33, "PageDown": 34, "End": 35, "Home": 36, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39,
        "ArrowDown": 40, "Tab": 9, "Backspace": 8}

# The browser reads commands from descriptor 3 and answers on 4, whatever numbers the pipes have here.
START = """import fcntl, os, sys
ends = [fcntl.fcntl(int(word), fcntl.F_DUPFD, 10) for word in sys.argv[1:3]]
os.dup2(ends[0], 3)
os.dup2(ends[1], 4)
os.execv(sys.argv[3], sys.argv[3:])"""


class ChromiumError(Exception):
    """The browser is gone, or refused a command; the text has its answer."""


class Chromium:
    """One browser with one page; close() ends it. Whatever pages try to load over a network fails."""

    def __init__(self, width: int = 1400, height: int = 900):
        self.errors: list[str] = []         # of scripts, and refusals of the page's policy
        self.requests: list[str] = []       # what pages asked for
        self.events: list[dict] = []        # of traces
        self._profile = tempfile.TemporaryDirectory(prefix="osprim-chromium-")
        to_browser, self._write = os.pipe()
        self._read, from_browser = os.pipe()
        argv = [BINARY, "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--no-first-run",
                "--disable-dev-shm-usage", "--disable-extensions", "--disable-background-networking", "--hide-scrollbars",
                "--proxy-server=127.0.0.1:9", f"--user-data-dir={self._profile.name}", "about:blank"]
        self._process = subprocess.Popen([sys.executable, "-c", START, str(to_browser), str(from_browser), *argv],
                                         pass_fds=(to_browser, from_browser), stdin=subprocess.DEVNULL,
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        self._buffer, self._number, self._session = b"", 0, ""
        page = next(target for target in self.send("Target.getTargets")["targetInfos"] if target["type"] == "page")
        self._session = self.send("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")
        self.size(width, height)

    def open(self, url: str) -> None:
        """Loads a page and waits until it is loaded."""
        self.send("Page.navigate", url=url)
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    def run(self, script: str) -> object:
        """The value of an expression in the page; waits for promises."""
        answer = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise ChromiumError(str(answer["exceptionDetails"].get("exception", answer["exceptionDetails"])))
        return answer["result"].get("value")

    def until(self, script: str, seconds: float = 60) -> None:
        """Waits until an expression is true in the page."""
        end = time.monotonic() + seconds
        while not self.run(f"Boolean({script})"):
            if time.monotonic() > end:
                raise ChromiumError(f"never came true: {script}")
            time.sleep(0.02)

    def size(self, width: int, height: int) -> None:
        """Sets the window's size in CSS pixels."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def media(self, scheme: str = "light", media: str = "") -> None:
        """Sets prefers-color-scheme, and "print" or "screen"."""
        self.send("Emulation.setEmulatedMedia", media=media, features=[{"name": "prefers-color-scheme", "value": scheme}])

    def key(self, key: str, ctrl: bool = False) -> None:
        """Presses and releases a key: one of KEYS, or a character."""
        code = KEYS.get(key) or (ord(key.upper()) if key.isalnum() else 0)
        said = "\r" if key == "Enter" else key if len(key) == 1 and not ctrl else ""
        common = {"key": key, "windowsVirtualKeyCode": code, "modifiers": 2 if ctrl else 0}
        self.send("Input.dispatchKeyEvent", type="keyDown", text=said, **common)
        self.send("Input.dispatchKeyEvent", type="keyUp", **common)

    def type(self, text: str) -> None:
        """Types a text, key by key."""
        for character in text:
            self.key(character)

    def click(self, selector: str) -> None:
        """Clicks the middle of an element with the mouse."""
        x, y = self.run(f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.scrollIntoView({{block: 'nearest', "
                        "behavior: 'instant'}); const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2] })()")
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def screenshot(self, path: Path, whole: bool = False) -> None:
        """Saves what is seen, or the whole page, as PNG."""
        data = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        path.write_bytes(base64.b64decode(data))

    def pdf(self) -> bytes:
        """The page as printed."""
        return base64.b64decode(self.send("Page.printToPDF", printBackground=True, preferCSSPageSize=True)["data"])

    def send(self, method: str, **params) -> dict:
        """One command and its answer; events that come first are kept. Raises ChromiumError."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next(120)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise ChromiumError(f"{method}: {answer['error'].get('message')}")
                return answer["result"]
            self._note(answer)

    def close(self) -> None:
        """Ends the browser and removes its profile."""
        try:
            self._session = ""
            self.send("Browser.close")
            self._process.wait(20)
        except (ChromiumError, OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        os.close(self._write)
        os.close(self._read)
        for again in range(20):  # its children may still be writing there
            try:
                self._profile.cleanup()
                return
            except OSError:
                time.sleep(0.1 * again)

    def _note(self, event: dict) -> None:
        method, params = event.get("method", ""), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.errors.append(str(params["exceptionDetails"].get("exception", {}).get("description")))
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(params["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method.startswith("Tracing."):
            self.events.append(event)

    def _next(self, seconds: float) -> dict:
        while b"\0" not in self._buffer:
            if not select.select([self._read], [], [], seconds)[0]:
                raise ChromiumError(f"no answer in {seconds} s")
            data = os.read(self._read, 1 << 20)
            if not data:
                raise ChromiumError("the browser ended")
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)
