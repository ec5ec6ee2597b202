"""Whether the kernel has Headrace: it then adopts the runs of task cells; else the runner serves their options itself."""

from __future__ import annotations

import ast
import json
import re
from functools import lru_cache
from importlib import resources
from queue import Empty
from typing import Any

from headrace.server.kernels import Kernel
from headrace.server.runner.plan import CellPlan

_LOADS = re.compile(r"^[ \t]*%(?:re)?load_ext[ \t]+headrace\b", re.MULTILINE)
#: Imports headrace only where a task needs it: another cell may still choose how it is set up.
_PROBE = """
def _headrace_probe(load):
    try:
        from importlib.util import find_spec
        if find_spec("headrace") is None or find_spec("headrace.kernel_magic.magics") is None:
            return False
        shell = get_ipython()
        if load and shell.find_cell_magic("task") is None:
            shell.extension_manager.load_extension("headrace")
        return not load or shell.find_cell_magic("task") is not None
    except Exception:
        return False
"""


@lru_cache(maxsize=1)
def _text() -> str:
    """Return the source of the kernel's part: siblings do not import each other, it is data here."""
    # Found by the import system: an editable install maps the folder, so that it does not lie beside this package.
    return (resources.files("headrace.kernel_magic") / "checkpoints.py").read_text(encoding="utf-8")


class KernelSide:
    """What a kernel knows of Headrace, asked when it first matters.

    Parameters
    ----------
    kernel : Kernel
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._found: bool | None = None
        self._loaded = False
        self._sent = False

    async def has_headrace(self, plan: CellPlan) -> bool:
        """Return whether the cell is to be left to the kernel as it stands.

        Only a task, or a line that loads the extension, makes us ask. For a task the extension is loaded where
        the notebook has not done so.
        """
        needs = plan.task is not None or _LOADS.search(plan.source) is not None
        if not needs or self._kernel.language != "python":
            return not needs
        if self._found is False:
            return False
        load = plan.task is not None
        if self._found is None or (load and not self._loaded):
            self._found = await self._ask(load)
            self._loaded = self._loaded or load
        return self._found

    async def _ask(self, load: bool) -> bool:
        code = f"{_PROBE}\n_headrace_found = _headrace_probe({load})\n"
        answer = await self.evaluate(code, "_headrace_found", after=("_headrace_probe", "_headrace_found"))
        return answer == "True"

    async def evaluate(self, code: str, expression: str, *, after: tuple[str, ...] = ()) -> str | None:
        """Execute code silently and return the text of an expression; None where the kernel cannot.

        Parameters
        ----------
        code : str
        expression : str
        after : tuple of str
            Names to delete again.
        """
        client: Any = self._kernel.client
        message_id = client.execute(code, silent=True, store_history=False, user_expressions={"headrace": expression})
        content = await self._reply(message_id)
        if after:
            await self._reply(client.execute(f"del {', '.join(after)}", silent=True, store_history=False))
        found = (content or {}).get("user_expressions", {}).get("headrace", {})
        return found.get("data", {}).get("text/plain") if found.get("status") == "ok" else None

    async def call(self, function: str, **arguments: Any) -> Any:
        """Call a function of `headrace.kernel_magic.checkpoints` in the kernel, whose text is sent there first.

        Returns
        -------
        object
            Its answer, JSON values; None where the kernel cannot.
        """
        name = "_headrace_checkpoints"
        if not self._sent:
            self._sent = True
            module = f"_headrace_sys.modules[{name!r}]"
            await self.evaluate(
                "import sys as _headrace_sys, types as _headrace_types\n"
                f"{module} = _headrace_types.ModuleType({name!r})\n"
                f"exec(compile({_text()!r}, '<headrace checkpoints>', 'exec'), {module}.__dict__)",
                "1",
                after=("_headrace_sys", "_headrace_types"),
            )
        given = repr(json.dumps(arguments))
        expression = (
            f"__import__('json').dumps(__import__('sys').modules[{name!r}].{function}"
            f"(**__import__('json').loads({given})))"
        )
        answer = await self.evaluate("", expression)
        try:
            return None if answer is None else json.loads(ast.literal_eval(answer))
        except (ValueError, SyntaxError):
            return None

    async def _reply(self, message_id: str) -> Any:
        while True:
            try:
                message = await self._kernel.client.shell_channel.get_msg(timeout=1)
            except Empty:
                if not await self._kernel.alive():
                    return None
                continue
            if message["parent_header"].get("msg_id") == message_id:
                return message["content"]
