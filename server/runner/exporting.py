"""The executed notebook as a page: HTML by nbconvert, PDF by printing that in a browser."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from headrace.core.errors import HeadraceError, UsageError
from headrace.core.run_spec import STANDARD, NotebookSpec
from headrace.server.runner.printing import print_page

#: Browsers that print pages without a screen, by the names of their programs; the first that is found is used.
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
#: The same on macOS, where applications are not on PATH.
APPLICATIONS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)


class ExportFailed(HeadraceError):
    """A page could not be made of a notebook."""

    code = "export_failed"


def export(notebook: Any, spec: NotebookSpec, output_path: str | None) -> dict[str, str]:
    """Write the pages that a run asks for.

    Parameters
    ----------
    notebook : nbformat notebook
    spec : NotebookSpec
        `html` and `pdf`: paths, "" for beside the output.
    output_path : str or None

    Returns
    -------
    dict
        "html" and "pdf" → the path that was written.

    Raises
    ------
    ExportFailed
    """
    if spec.html is None and spec.pdf is None:
        return {}
    try:
        from nbconvert import HTMLExporter

        exporter = HTMLExporter(exclude_input=spec.report_mode)
        page, _ = exporter.from_notebook_node(notebook)
        made: dict[str, str] = {}
        if spec.html is not None:
            made["html"] = _place(spec.html, output_path, ".html")
            _write(made["html"], page.encode())
        if spec.pdf is not None:
            made["pdf"] = _place(spec.pdf, output_path, ".pdf")
            _write(made["pdf"], print_page(find_browser(), page))
    except (OSError, UsageError) as error:
        raise ExportFailed(f"The page could not be written: {error}") from error
    return made


def _place(path: str, output_path: str | None, suffix: str) -> str:
    if path:
        return path
    if output_path in (None, STANDARD):
        raise UsageError(f"Name the {suffix[1:]} file: the run has no output file that it could stand beside.")
    return str(Path(str(output_path)).with_suffix(suffix))


def _write(path: str, data: bytes) -> None:
    part = f"{path}.{os.getpid()}.part"
    try:
        Path(part).write_bytes(data)
        os.replace(part, path)
    finally:
        Path(part).unlink(missing_ok=True)


def find_browser() -> str:
    """Return a browser that can print to PDF.

    Raises
    ------
    UsageError
        There is none.
    """
    named = os.environ.get("HEADRACE_CHROMIUM", "")
    if named and os.access(named, os.X_OK):
        return named
    found = next(filter(None, map(shutil.which, BROWSERS)), None) or next(_elsewhere(), None)
    if found is None:
        raise UsageError(
            "PDF is printed by a browser, and none was found: install Chromium or Chrome, or write --html.", field="pdf"
        )
    return found


def _elsewhere() -> Iterator[str]:
    """Yield browsers that are not on PATH: macOS's applications, and what Playwright has downloaded (its own places)."""
    yield from (path for path in APPLICATIONS if os.access(path, os.X_OK))
    caches = [
        os.environ.get("PLAYWRIGHT_BROWSERS_PATH", ""),
        "~/.cache/ms-playwright",
        "~/Library/Caches/ms-playwright",
    ]
    for folder in filter(None, caches):
        for program in ("chrome-linux*/chrome", "chrome-mac*/Chromium.app/Contents/MacOS/Chromium"):
            yield from sorted(glob.glob(os.path.expanduser(f"{folder}/chromium-*/{program}")), reverse=True)
