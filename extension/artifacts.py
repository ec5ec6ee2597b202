"""`from headrace.artifacts import create_markdown_artifact, …`: what a run shows beside its result.

The functions are made in headrace.kernel_magic.artifacts and looked up at their first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headrace.kernel_magic.artifacts import create_image_artifact as create_image_artifact
    from headrace.kernel_magic.artifacts import create_link_artifact as create_link_artifact
    from headrace.kernel_magic.artifacts import create_markdown_artifact as create_markdown_artifact
    from headrace.kernel_magic.artifacts import create_progress_artifact as create_progress_artifact
    from headrace.kernel_magic.artifacts import create_table_artifact as create_table_artifact
    from headrace.kernel_magic.artifacts import update_progress_artifact as update_progress_artifact

__all__ = [
    "create_image_artifact",
    "create_link_artifact",
    "create_markdown_artifact",
    "create_progress_artifact",
    "create_table_artifact",
    "update_progress_artifact",
]


def __getattr__(name: str) -> Any:
    """Look a function up at its first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("headrace.kernel_magic.artifacts"), name)
