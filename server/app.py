"""The server extension: `HeadraceApp`, inside Jupyter or alone (`headrace server start`)."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from jupyter_server.extension.application import ExtensionApp, ExtensionAppJinjaMixin
from traitlets import Bool, Unicode, default

from headrace.core.settings import find_store, hand_on
from headrace.server.handlers.base import RouteHandler
from headrace.server.handlers.page import PAGES, PageHandler, static_folder
from headrace.server.paths import Root
from headrace.server.renames import CONTENTS_EVENTS, Renames
from headrace.server.routes import Route, all_routes
from headrace.server.services import Services

#: Where the server stands when it runs alone (README).
PORT = 4200
API = "/headrace/api"


def pattern_of(path: str) -> str:
    """Return a route's path as the pattern of its address; a part of it is one word without slashes."""
    parts = [rf"(?P<{part[1:-1]}>[^/]+)" if part.startswith("{") else re.escape(part) for part in path.split("/")]
    return API + "/".join(parts)


def by_path(routes: list[Route]) -> dict[str, dict[str, Route]]:
    """Return the routes by path and method; a path without parts comes before one that it also fits."""
    found: dict[str, dict[str, Route]] = {}
    for route in sorted(routes, key=lambda r: ("{" in r.path, r.path)):
        found.setdefault(route.path, {})[route.method] = route
    return found


class HeadraceApp(ExtensionAppJinjaMixin, ExtensionApp):
    """Headrace beside Jupyter Server: runs, schedules, and the page that shows them."""

    name = "headrace"
    app_name = "Headrace"
    extension_url = "/headrace"
    load_other_extensions = False
    file_url_prefix = "/headrace"

    store = Unicode(
        "",
        config=True,
        help="The database URL of the store. Empty: HEADRACE_DATABASE_URL, headrace.toml, or a file under Jupyter's data directory.",
    )
    start_workers = Bool(
        True, config=True, help="Start a detached worker process where something is to run and none is alive."
    )
    pools = Unicode("", config=True, help="Pools besides 'default' that this server starts workers for, with commas.")
    install_source = Unicode(
        "",
        config=True,
        help="What pip installs into a kernel's environment that lacks Headrace. Empty: the version of this server.",
    )
    show_all_owners = Bool(
        False, config=True, help="Show everybody's runs and deployments on a shared store, not only one's own."
    )
    require_trust = Bool(
        False,
        config=True,
        help="Refuse to schedule a notebook that Jupyter does not trust, unless the request says to which content one agrees.",
    )
    follow_links = Bool(
        False, config=True, help="Let notebooks be reached through symbolic links that lead out of the server's root."
    )

    @default("static_paths")
    def _default_static_paths(self) -> list[str]:
        return [str(static_folder())]

    @default("template_paths")
    def _default_template_paths(self) -> list[str]:
        return [str(static_folder().parent / "templates")]

    def initialize_settings(self) -> None:
        """Make what the handlers share; the store is opened when it is first needed."""
        from headrace.server.background import Background
        from headrace.server.stream import Hub

        server = self.serverapp
        assert server is not None
        place = find_store(self.store or None)
        # Kernels and workers that this server starts use its store, whatever their own environment says.
        self.handed = hand_on(place, Path(server.runtime_dir))
        contents = getattr(server, "contents_manager", None)
        root = getattr(contents, "root_dir", None) or server.root_dir
        self.services = Services(
            Root(root, allow_hidden=bool(getattr(contents, "allow_hidden", False)), follow_links=self.follow_links),
            place=place,
            runtime_dir=Path(server.runtime_dir),
            all_owners=self.show_all_owners,
            kernel_finder=server.kernel_spec_manager,
            pools=tuple(part.strip() for part in self.pools.split(",") if part.strip()),
            install_source=self.install_source,
            require_trust=self.require_trust,
        )
        self.hub = Hub(self.services)
        self.services.background = Background(
            self.services, start_workers=self.start_workers, on_activity=self._note_activity
        )
        self.services.background.start()
        if server.event_logger is not None:
            server.event_logger.add_listener(schema_id=CONTENTS_EVENTS, listener=Renames(self.services))

    def _note_activity(self) -> None:
        """Say that something goes on here: an idle panel does not count, a run does."""
        assert self.serverapp is not None
        times = self.serverapp.web_app.settings.setdefault("last_activity_times", {})
        times["headrace"] = datetime.now(timezone.utc)

    def initialize_handlers(self) -> None:
        """Register every route of the table, the stream and the page."""
        from headrace.server.stream import StreamHandler

        common: dict[str, Any] = {"services": self.services}
        for path, methods in by_path(all_routes()).items():
            self.handlers.append((pattern_of(path), RouteHandler, {**common, "routes": methods}))
        self.handlers.append((f"{API}/stream", StreamHandler, {**common, "hub": self.hub}))
        self.handlers.extend((page, PageHandler) for page in PAGES)

    async def stop_extension(self) -> None:
        """End the streams and the threads; runs and the worker go on."""
        await self.hub.close()
        self.services.close()
        self.handed.unlink(missing_ok=True)


main = launch_new_instance = HeadraceApp.launch_instance
