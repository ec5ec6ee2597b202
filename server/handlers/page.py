"""The standalone page: the panel's own components, outside of JupyterLab."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.extension.handler import ExtensionHandlerJinjaMixin, ExtensionHandlerMixin
from tornado import web

#: Addresses of the page; where in it one is stands after the `#`.
PAGES = (r"/headrace/?",)


def static_folder() -> Path:
    """Return the folder that holds the built page."""
    return Path(__file__).resolve().parent.parent / "static"


class PageHandler(ExtensionHandlerJinjaMixin, ExtensionHandlerMixin, JupyterHandler):
    """Serves the page to somebody who may read."""

    auth_resource = "headrace"

    @web.authenticated
    async def get(self) -> None:
        """Answer with the page, or say how to build it."""
        allowed = self.authorizer.is_authorized(self, self.current_user, "read", "headrace")
        if not (await allowed if inspect.isawaitable(allowed) else allowed):
            raise web.HTTPError(403)
        folder = static_folder()
        scripts = [name for name in ("app.js",) if (folder / name).is_file()]
        styles = [name for name in ("theme.css", "app.css") if (folder / name).is_file()]
        # No token in the page: the browser's cookie and the XSRF header do.
        config = {"baseUrl": self.base_url}
        self.set_header("Cache-Control", "no-store")
        self.xsrf_token  # noqa: B018 - reading it sets the cookie that the page sends back
        page = self.get_template("headrace.html").render(
            config=json.dumps(config).replace("<", "\\u003c"),
            scripts=[self.static_url(name) for name in scripts],
            styles=[self.static_url(name) for name in styles],
        )
        self.finish(page)
