"""`%%task` as an input transformer: the magic line is read and blanked, the body stays an ordinary cell.

So top-level `await`, line numbers, `_`, displays and nested magics behave as
in a plain cell. The transformer is pure: IPython calls it to run a cell, to
see whether a cell is complete, and to see whether it is async.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from IPython.core.error import UsageError
from IPython.core.inputtransformer2 import TransformerManager

from headrace.core.cells import CellTask, find_task, split_magic
from headrace.core.dataflow import sparing
from headrace.core.errors import HeadraceError


def expand(line: str, namespace: dict[str, Any]) -> str:
    """Fill `{name}` and `$name` into a magic line as IPython does for every magic."""
    if "{" not in line and "$" not in line:
        return line
    from IPython.utils.text import DollarFormatter

    try:
        return str(DollarFormatter().vformat(line, args=[], kwargs=namespace))
    except Exception:
        return line


def task_of(source: str, metadata: Any, namespace: dict[str, Any]) -> CellTask | None:
    """Return what makes a cell a task, its magic line filled in; None for a plain cell.

    Raises
    ------
    HeadraceError
        An option is wrong.
    """
    split = split_magic(source.lstrip("\n"))
    if split is not None:
        kind, line, body = split
        source = f"%%{kind} {expand(line, namespace)}{body}"
    return find_task(source, metadata)


@lru_cache(maxsize=1)
def _ipythons_own() -> TransformerManager:
    return TransformerManager()


def plain_python(manager: TransformerManager, source: str) -> str:
    """Return a cell as plain Python: IPython's syntax becomes calls.

    Parameters
    ----------
    manager : TransformerManager
        The shell's.
    source : str
    """
    own = _ipythons_own()
    cleanup = [each for each in manager.cleanup_transforms if not isinstance(each, TaskTransformer)]
    is_own = (cleanup, manager.line_transforms, manager.token_transformers) == (
        own.cleanup_transforms,
        own.line_transforms,
        own.token_transformers,
    )
    transform = sparing(manager.transform_cell) if is_own else manager.transform_cell
    return str(transform(source))


class TaskTransformer:
    """Blanks the magic line of a cell task.

    Parameters
    ----------
    shell : InteractiveShell
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell

    def __call__(self, lines: list[str]) -> list[str]:
        """Return the cell's lines without the magic line (see IPython's `input_transformers_cleanup`).

        Raises
        ------
        UsageError
            The magic line is wrong: one line for the person, no traceback.
        """
        if not lines or not lines[0].startswith("%%"):
            return lines
        try:
            task = task_of("".join(lines), None, self._shell.user_ns)
        except HeadraceError as error:
            raise UsageError(str(error)) from error
        if task is None:
            return lines
        rest = lines[1:]
        following = next((line for line in rest if line.strip()), "")
        # A cell magic in the body (%%time …) is only seen on the first line; else a blank line keeps line numbers.
        return rest[rest.index(following) :] if following.startswith("%%") else ["\n", *rest]
