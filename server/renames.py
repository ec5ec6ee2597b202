"""A notebook, script or folder that is renamed in JupyterLab takes the deployments along that name it.

What is moved past Jupyter (`mv`) is not heard of: the deployment says that its file is gone (reliability.md, F-41).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from headrace.core.deployments import Deployment
from headrace.core.errors import StoreError, one_line
from headrace.store.peek import has_deployments

if TYPE_CHECKING:
    from headrace.server.services import Services

#: What Jupyter's contents manager tells of files (its event schema).
CONTENTS_EVENTS = "https://events.jupyter.org/jupyter_server/contents_service/v1"
_PATHS = ("notebook_path", "entrypoint", "cwd", "output_path", "env_file")
log = logging.getLogger("headrace.server")


class Renames:
    """Listens to Jupyter's contents manager.

    Parameters
    ----------
    services : Services
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    async def __call__(self, logger: Any, schema_id: str, data: Mapping[str, Any]) -> None:
        """Take note of an event; no fault of ours may reach Jupyter."""
        if data.get("action") != "rename":
            return
        folder = self._services.root.folder
        old, new = (str(folder / str(data[key]).strip("/")) for key in ("source_path", "path"))
        try:
            for deployment in await self._services.call(self._follow, old, new):
                log.info("headrace: %s goes with %s to %s", deployment.name, old, new)
        except StoreError as error:
            log.warning("headrace: deployments of %s were not told of its new name: %s", old, one_line(error))

    def _follow(self, old: str, new: str) -> list[Deployment]:
        if not (self._services.is_open or has_deployments(self._services.place)):
            return []
        deployments = self._services.store.deployments
        followed = []
        for held in deployments.naming(old, self._services.owner):
            moved = {name: moved_path(getattr(held, name), old, new) for name in _PATHS}
            changes: dict[str, Any] = {name: path for name, path in moved.items() if path != getattr(held, name)}
            if changes:
                followed.append(deployments.update(held.id, error=held.error if held.paused else None, **changes))
        return followed


def moved_path(path: str | None, old: str, new: str) -> str | None:
    """Return where a path leads now that `old` is called `new`; an entrypoint keeps its flow's name."""
    if path is None:
        return None
    return re.sub(rf"\A{re.escape(old)}(?=\Z|/|:[^/]*\Z)", lambda _: new, path)
