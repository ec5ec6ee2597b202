"""Matplotlib's inline figures: IPython shows them when a cell is over, which is too late for what is kept with its run."""

from __future__ import annotations

import sys


def show_figures(*, everything: bool = False) -> None:
    """Show, and close, the figures that a cell has drawn and not shown; nothing where it drew none inline.

    Parameters
    ----------
    everything : bool, default False
        All that are open: outside of a kernel matplotlib does not note which were drawn.
    """
    inline = sys.modules.get("matplotlib_inline.backend_inline")
    if inline is None:
        return
    if everything:
        inline.show(close=True)
    else:
        inline.flush_figures()
