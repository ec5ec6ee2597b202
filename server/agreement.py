"""Whether Jupyter trusts a notebook, and to which content a person agreed that it runs by itself (reliability.md, S-36)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from headrace.core.errors import Conflict

if TYPE_CHECKING:
    from headrace.server.services import Services

#: The key of a deployment's details that holds the agreement: `{sha256, at}`.
KEY = "agreed"


class Untrusted(Conflict):
    """A notebook from elsewhere would run by itself, and nobody has agreed to that."""

    code = "untrusted_notebook"


def digest(content: bytes) -> str:
    """Return a content's SHA-256, in hex."""
    return hashlib.sha256(content).hexdigest()


def is_trusted(content: bytes) -> bool:
    """Return whether Jupyter trusts a notebook: it was saved here by somebody who had run it, or `jupyter trust` was said."""
    from nbformat import v4
    from nbformat.sign import NotebookNotary

    notary = NotebookNotary()
    try:
        return bool(notary.check_signature(v4.reads(content.decode("utf-8"))))
    except Exception:  # it may be anything, half characters too; what it is, is said elsewhere
        return False
    finally:
        notary.store.close()


def agreed(services: Services, path: str, given: str | None, details: dict[str, Any]) -> dict[str, Any]:
    """Return a deployment's details with what a person agrees to now; the same where nobody was asked.

    Parameters
    ----------
    services : Services
    path : str
        The notebook.
    given : str or None
        The SHA-256 of the content that the person has looked at and agrees to.
    details : dict
        The deployment's so far.

    Raises
    ------
    Conflict
        The notebook has changed since the person looked.
    Untrusted
        Nobody has agreed to this content, Jupyter does not trust it, and this server asks for that.
    """
    content = services.notebooks.read(path)
    sha256 = digest(content)
    if given is not None and given != sha256:
        raise Conflict("agreed: the notebook has changed since you looked at it; look again.", field="agreed")
    if given is not None:
        return {**details, KEY: {"sha256": sha256, "at": services.store.clock.now_us()}}
    known = (details.get(KEY) or {}).get("sha256") == sha256
    if services.require_trust and not known and not is_trusted(content):
        raise Untrusted(
            "agreed: Jupyter does not trust this notebook, and it would run by itself. Read it, then run it in JupyterLab and "
            f"save it, or say `jupyter trust`, or agree to this content: agreed={sha256}.",
            field="agreed",
        )
    return details
