"""Outputs and artifacts as HTML that is harmless: text escaped, pictures as data, displayed HTML in a frame without rights."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html import escape
from typing import Any
from urllib.parse import quote

from headrace.core.masking import Masking

#: Characters of one text.
TEXT = 1_000_000
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_FRAMES = re.compile(r"Traceback \(most recent call last\):\n(?:[ \t|+].*(?:\n|\Z)|\n(?=[ \t]))*")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_PICTURE = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]*\Z")
_ADDRESS = re.compile(r"(?:https?|mailto):", re.IGNORECASE)

STYLE = """
:root{color-scheme:light dark}
body{font:14px/1.5 system-ui,sans-serif;max-width:1100px;margin:0 auto;padding:24px}
h1{font-size:22px;overflow-wrap:anywhere}h2{font-size:16px;border-bottom:1px solid #8886;padding-bottom:4px;margin-top:28px}
h3{font-size:13px;margin:16px 0 4px}
table{border-collapse:collapse}td,th{text-align:left;vertical-align:top;padding:3px 14px 3px 0;overflow-wrap:anywhere}
th{font-weight:600;white-space:nowrap}
pre{background:#8881;padding:8px 10px;border-radius:4px;overflow:auto;max-height:480px;white-space:pre-wrap;overflow-wrap:anywhere}
code,pre{font:12px/1.45 ui-monospace,monospace}
.source pre{border-left:3px solid #8886}.stderr pre{background:#c628281a}
.error{font-weight:600;overflow-wrap:anywhere;white-space:pre-wrap}
.wide{overflow:auto}.state{font-size:12px;font-weight:400;white-space:nowrap;border:1px solid #8886;border-radius:9px;padding:1px 8px}
img{max-width:100%}iframe{width:100%;height:320px;border:1px solid #8884;background:#fff}
footer{margin-top:32px;font-size:12px;opacity:.8}
"""


def plain(text: str) -> str:
    """Return text without terminal codes; a line that was written over keeps its last words."""
    text = _ANSI.sub("", text).replace("\r\n", "\n")
    lines = (line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    return _CONTROL.sub("", "\n".join(lines))


def without_code(text: str) -> str:
    """Return text without the frames and lines of code of Python's tracebacks; what was raised stays."""
    return _FRAMES.sub("", text)


def _joined(value: Any) -> str:
    return "".join(map(str, value)) if isinstance(value, list) else str(value if value is not None else "")


def _pre(text: str, kind: str = "output") -> str:
    return f'<div class="{kind}"><pre>{escape(plain(text[:TEXT]))}{" …" if len(text) > TEXT else ""}</pre></div>'


def output_html(output: Mapping[str, Any], mask: Masking, *, code: bool) -> str:
    """Return one output of a cell.

    Parameters
    ----------
    output : mapping
        As nbformat has it.
    mask : Masking
    code : bool
        With the lines of a traceback.
    """
    kind = output.get("output_type")
    if kind == "stream":
        text = plain(_joined(output.get("text")))
        return _pre(
            mask.text(text if code else without_code(text)), "stderr" if output.get("name") == "stderr" else "output"
        )
    if kind == "error":
        lines = "\n".join(map(str, output.get("traceback") or [])) if code else ""
        return _pre(mask.text(plain(lines or f"{output.get('ename', '')}: {output.get('evalue', '')}")), "stderr")
    data = output.get("data")
    return _display(data if isinstance(data, Mapping) else {}, mask)


def _display(data: Mapping[str, Any], mask: Masking) -> str:
    for kind in ("image/png", "image/jpeg", "image/gif", "image/webp"):
        if kind in data:
            return picture(f"data:{kind};base64,{''.join(_joined(data[kind]).split())}")
    if "image/svg+xml" in data:
        # As a picture an SVG runs no script and loads nothing.
        return f'<p><img alt="" src="data:image/svg+xml,{quote(mask.text(_joined(data["image/svg+xml"])))}"></p>'
    if "text/html" in data:
        page = mask.text(_joined(data["text/html"]))
        body = f"<style>body{{font:13px system-ui,sans-serif}}td,th{{padding:2px 8px;text-align:right}}</style>{page}"
        return f'<iframe sandbox="" title="HTML output" srcdoc="{escape(body)}"></iframe>'
    for kind in ("text/markdown", "text/latex", "text/plain"):
        if kind in data:
            return _pre(mask.text(_joined(data[kind])))
    if "application/json" in data:
        return _pre(json.dumps(mask.value(data["application/json"]), indent=1, ensure_ascii=False))
    return _pre(f"({', '.join(map(str, data)) or 'nothing'})") if data else ""


def picture(address: str) -> str:
    """Return a picture that is in its address; any other address as text."""
    if _PICTURE.match(address):
        return f'<p><img alt="" src="{escape(address)}"></p>'
    return link(address, address)


def link(address: str, text: str) -> str:
    """Return a link if it is a web or mail address, else text."""
    if not _ADDRESS.match(address):
        return f"<p>{escape(plain(text))}</p>"
    return f'<p><a rel="noopener noreferrer" href="{escape(address)}">{escape(plain(text))}</a></p>'


def artifact_html(artifact: Mapping[str, Any], mask: Masking) -> str:
    """Return one artifact with its title."""
    data = artifact["data"] if isinstance(artifact["data"], Mapping) else {}
    title = mask.text(plain(str(artifact["title"] or artifact["key"] or artifact["kind"])))
    return f"<h3>{escape(title)}</h3>{_artifact(artifact['kind'], data, mask)}"


def _artifact(kind: str, data: Mapping[str, Any], mask: Masking) -> str:
    if kind == "markdown":
        return _pre(mask.text(str(data.get("markdown", ""))))
    if kind == "link":
        address = mask.text(str(data.get("link", "")))
        return link(address, mask.text(str(data.get("link_text") or address)))
    if kind == "image":
        return picture(str(data.get("image_url", "")))
    if kind == "progress":
        value = data.get("progress", 0)
        return f'<p><progress max="100" value="{escape(str(value))}"></progress> {escape(str(value))} %</p>'
    if kind == "table" and isinstance(data.get("table"), list):
        return _rows(data["table"], mask)
    return _pre(json.dumps(mask.value(data), indent=1, ensure_ascii=False))


def _rows(table: list[Any], mask: Masking) -> str:
    rows = [
        row if isinstance(row, Mapping) else dict(enumerate(row if isinstance(row, list) else [row])) for row in table
    ]
    columns = list(dict.fromkeys(name for row in rows[:1000] for name in row))
    head = "".join(f"<th>{escape(str(name))}</th>" for name in columns)

    def cell(name: Any, value: Any) -> str:
        masked = mask.value(value, str(name))
        return escape("" if masked is None else masked if isinstance(masked, str) else json.dumps(masked))

    body = "".join(
        f"<tr>{''.join(f'<td>{cell(name, row.get(name))}</td>' for name in columns)}</tr>" for row in rows[:1000]
    )
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'
