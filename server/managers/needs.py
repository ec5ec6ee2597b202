"""What a deployment needs of this machine: its program, and its file where no copy was kept."""

from __future__ import annotations

import os

from headrace.core.deployments import Deployment
from headrace.server.paths import Root


def missing(deployment: Deployment, root: Root) -> str | None:
    """Return in words what a deployment needs and is gone, None where nothing is."""
    program, file = deployment.program, deployment.file
    if program is not None and os.path.isabs(program) and not os.access(program, os.X_OK):
        return f"{program}, with which it was made, is gone. Deploy it again."
    if file is not None and not os.path.isfile(file):
        return f"{root.relative(file)} is not there any more. Say where it is now, or deploy it again."
    return None
