"""The optional parts: which packages an extra brings, and the sentence that says how to get it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from headrace.core.errors import MissingDependency

LAB_PACKAGES = frozenset(
    {
        "ipykernel",
        "ipywidgets",
        "jupyter_client",
        "jupyter_core",
        "jupyter_server",
        "jupyterlab",
        "nbclient",
        "nbconvert",
        "nbformat",
        "papermill",
        "prometheus_client",
        "psutil",
        "tornado",
        "traitlets",
    }
)


#: What the server side needs beside Jupyter Server, and JupyterLab alone does not bring.
NOT_WITH_JUPYTERLAB = ("nbclient", "papermill", "psutil")
REMEDY = 'pip install "headrace[lab]"'


def missing_for_notebook_runs() -> list[str]:
    """Return the packages that notebook runs need and that are not installed; nothing is imported."""
    from importlib.util import find_spec

    return [name for name in NOT_WITH_JUPYTERLAB if find_spec(name) is None]


@contextmanager
def lab_extra() -> Iterator[None]:
    """Turn a missing package of the `lab` extra, anywhere inside the block, into the command that brings it.

    Raises
    ------
    MissingDependency
        A package of the extra is not installed. Any other import error passes through unchanged.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in LAB_PACKAGES:
            raise
        raise MissingDependency(
            f"headrace: {package} is not installed, and the server side needs it. Bring it with: {REMEDY}"
        ) from error
