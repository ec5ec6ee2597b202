"""Large outputs that `%flow restore` brings back when a cell first needs them.

Nothing stands in the namespace for them: the gate in front of every cell, a
plain one too, loads what the cell touches before it starts.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headrace.core.errors import UsageError
from headrace.kernel_magic.cells.values import put_back

if TYPE_CHECKING:
    from headrace.core.dataflow import CellFlow
    from headrace.kernel_magic.cells.session import CellSession

#: Stored outputs above this are brought back when they are needed, bytes.
LAZY_BYTES = 64 << 20


@dataclass(slots=True)
class _Waiting:
    """A cell's outputs that lie in the store.

    Attributes
    ----------
    cell : str
    storage, serializer : str
    names : dict of str to str
        Name → digest of its value; names that were bound anew are taken out.
    """

    cell: str
    storage: str
    serializer: str
    names: dict[str, str]


def outputs_key(key: str) -> str:
    """Return the key under which the digests of stored outputs are kept."""
    return f"{key}-outputs"


class Lazy:
    """What one shell's namespace has yet to be given.

    Parameters
    ----------
    session : CellSession
    """

    def __init__(self, session: CellSession) -> None:
        self._session = session
        self._waiting: list[_Waiting] = []
        self._lock = threading.RLock()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, cell: str, found: Any, names: Mapping[str, str]) -> None:
        """Note that a cell's stored outputs are brought back when they are needed."""
        with self._lock:
            self.forget(names)
            self._waiting.append(_Waiting(cell, found.storage, found.serializer, dict(names)))

    def digests(self) -> dict[str, str]:
        """Return name → digest of what is still to be loaded."""
        return {name: text for one in self._waiting for name, text in one.names.items()}

    def forget(self, names: Iterable[str]) -> None:
        """Note that names have other values now."""
        with self._lock:
            for one in self._waiting:
                for name in names:
                    one.names.pop(name, None)
            self._waiting = [one for one in self._waiting if one.names]

    def load_for(self, flow: CellFlow | None) -> None:
        """Load what a cell touches.

        Raises
        ------
        UsageError
            It is gone.
        """
        if not self._waiting:
            return
        with self._lock:
            for one in list(self._waiting):
                touched = (
                    None if flow is None or flow.opaque else flow.reads | flow.mutates | flow.augments | flow.deletes
                )
                if touched is None or touched & one.names.keys():
                    self._load(one)

    def _load(self, one: _Waiting) -> None:
        from headrace.kernel_magic.results.cache import open_result

        names = ", ".join(sorted(one.names))
        sys.stderr.write(f"restoring {names} of {one.cell} …\n")
        self._waiting.remove(one)
        try:
            values = open_result(one.storage, one.serializer)
        except Exception as error:
            raise UsageError(
                f"{names} of {one.cell} cannot be restored ({type(error).__name__}: {error}): run {one.cell} again."
            ) from error
        values.names = {name: value for name, value in values.names.items() if name in one.names}
        values.deleted, values.definitions = (), ""
        put_back(values, self._session.shell)
