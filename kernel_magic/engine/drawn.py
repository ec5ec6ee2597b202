"""Whether a flow is being drawn rather than run (see headrace.kernel_magic.sketch): all that a call looks at."""

from __future__ import annotations


class _Drawing:
    """How many flows are being drawn: while none is, calls do not look further."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


DRAWING = _Drawing()
