"""A page printed to PDF by a browser without a screen, over its DevTools protocol.

The command line's `--print-to-pdf` is not in every build of Chromium, prints
before late scripts have drawn, and hangs without a word where it cannot print.
"""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

#: From the browser's start to the PDF at most, seconds.
PRINT_SECONDS = 120.0
#: Fonts and scripts of the page have so long to draw after it was loaded, seconds.
SETTLE_SECONDS = 10.0
#: The largest PDF that is taken, bytes.
LARGEST = 1 << 30
_FLAGS = (
    *(
        "--headless",
        "--disable-gpu",
        "--no-sandbox",
        "--no-first-run",
        "--hide-scrollbars",
        "--remote-debugging-port=0",
    ),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"),
    *("--disable-dev-shm-usage", "--mute-audio"),
)
#: Fonts are there, and two frames have been drawn since.
_DRAWN = (
    "document.fonts.ready.then(() => new Promise(done => "
    "requestAnimationFrame(() => requestAnimationFrame(() => done(true)))))"
)


def print_page(browser: str, page: str) -> bytes:
    """Print an HTML page.

    Parameters
    ----------
    browser : str
        Path of a Chromium, Chrome or Edge.
    page : str
        HTML.

    Returns
    -------
    bytes
        The PDF.

    Raises
    ------
    OSError
        The browser cannot be started, or did not print in time.
    """
    found: list[Any] = []

    def work() -> None:
        try:
            found.append(asyncio.run(asyncio.wait_for(_print(browser, page), PRINT_SECONDS)))
        except asyncio.TimeoutError:
            found.append(OSError(f"{browser} did not print within {PRINT_SECONDS:g} s."))
        except Exception as error:
            found.append(error)

    # A thread of its own: the caller's may have an event loop that runs.
    thread = threading.Thread(target=work, name="headrace-print")
    thread.start()
    thread.join()
    (result,) = found
    if isinstance(result, OSError):
        raise result
    if isinstance(result, Exception):
        raise OSError(f"{browser} printed nothing: {type(result).__name__}: {result}") from result
    return bytes(result)


async def _print(browser: str, page: str) -> bytes:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        source, profile = Path(folder) / "page.html", Path(folder) / "profile"
        source.write_text(page, encoding="utf-8")
        process = subprocess.Popen(
            [browser, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            port = await _port(process, profile / "DevToolsActivePort", browser)
            return await _print_by(port, source.as_uri())
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


async def _port(process: subprocess.Popen[bytes], file: Path, browser: str) -> int:
    """Return the port that the browser listens on, once it says so."""
    while True:
        if process.poll() is not None:
            raise OSError(f"{browser} ended with code {process.returncode} before it could print.")
        try:
            return int(file.read_text(encoding="utf-8").split()[0])
        except (OSError, ValueError, IndexError):
            await asyncio.sleep(0.05)


async def _print_by(port: int, address: str) -> bytes:
    from tornado.websocket import websocket_connect

    request = urllib.request.Request(f"http://127.0.0.1:{port}/json/new?about:blank", method="PUT")
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(request, timeout=30) as answer:
        target = json.load(answer)["webSocketDebuggerUrl"]
    socket = await websocket_connect(target, max_message_size=LARGEST)
    number = 0

    async def read() -> dict[str, Any]:
        text = await socket.read_message()
        if text is None:
            raise OSError("the browser closed the connection")
        message: dict[str, Any] = json.loads(text)
        return message

    async def ask(method: str, **parameters: Any) -> dict[str, Any]:
        nonlocal number
        number += 1
        await socket.write_message(json.dumps({"id": number, "method": method, "params": parameters}))
        while (message := await read()).get("id") != number:
            continue
        if "error" in message:
            raise OSError(f"{method}: {message['error'].get('message')}")
        result: dict[str, Any] = message["result"]
        return result

    try:
        await ask("Page.enable")
        await ask("Page.navigate", url=address)
        deadline = time.monotonic() + PRINT_SECONDS
        while (await ask("Runtime.evaluate", expression="document.readyState"))["result"].get("value") != "complete":
            if time.monotonic() > deadline:
                raise OSError("the page was never loaded")
            await asyncio.sleep(0.05)
        await ask("Runtime.evaluate", expression=_DRAWN, awaitPromise=True, timeout=int(SETTLE_SECONDS * 1000))
        made = await ask("Page.printToPDF", printBackground=True, preferCSSPageSize=True)
    finally:
        socket.close()
    return base64.b64decode(made["data"])
