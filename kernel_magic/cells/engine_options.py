"""A cell's options as the engine has them."""

from __future__ import annotations

from typing import Any

from headrace.core.cells import CellOptions


def run_options(options: CellOptions) -> Any:
    """Return a cell's options as the engine's; the keeper decides what is stored."""
    from headrace.kernel_magic.options import TaskOptions

    delays = options.retry_delay_seconds
    return TaskOptions(
        name=options.name or None,
        description=options.description or None,
        tags=options.tags,
        retries=options.retries,
        retry_delay_seconds=list(delays) if isinstance(delays, tuple) else delays,
        retry_jitter_factor=options.retry_jitter_factor or None,
        timeout_seconds=options.timeout_seconds,
        log_prints=False,
        persist_result=True,
    )
