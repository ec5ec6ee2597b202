"""A flow drawn before it runs: its body is called with stand-ins for what tasks return; no task runs, nothing is recorded.

>>> picture = daily.visualize("2026-11-24")  # drawn in a notebook
>>> print(daily.generate_mermaid_graph("2026-11-24"))

A body that needs a real value (to loop over it, to compare it) gets it from
`@task(viz_return_value=…)`.
"""

from __future__ import annotations

import contextvars
import inspect
from collections.abc import Mapping
from typing import Any

from headrace.core import drawing
from headrace.core.errors import InvalidParameter, UsageError, one_line
from headrace.core.states import State, StateType
from headrace.kernel_magic.engine.drawn import DRAWING
from headrace.kernel_magic.futures import allow_failure, unmapped

#: Collections in arguments are searched so deep.
_DEEPEST = 5
CURRENT: contextvars.ContextVar[Sketch | None] = contextvars.ContextVar("headrace_sketch", default=None)


class Sketch:
    """The graph of a flow as its body calls tasks.

    Attributes
    ----------
    name : str
        The flow's.
    nodes : list of Node
    edges : list of (upstream, downstream)
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.nodes: list[drawing.Node] = []
        self.edges: list[tuple[str, str]] = []
        self._made_by: dict[int, tuple[Any, str]] = {}

    def call(self, definition: Any, parameters: Mapping[str, Any], wait_for: Any = None, label: str = "") -> Any:
        """Note a call and return what stands for its result."""
        node = f"{definition.kind}-{len(self.nodes)}"
        self.nodes.append(drawing.Node(id=node, label=label or definition.name))
        before: dict[str, None] = {}
        self._look([*parameters.values(), wait_for], before)
        self.edges.extend((upstream, node) for upstream in before)
        value = getattr(definition.options, "viz_return_value", None)
        if value is None:
            return Expected(node, definition.name)
        self._made_by[id(value)] = (value, node)
        return value

    def _look(self, value: Any, found: dict[str, None], depth: int = 0) -> None:
        if isinstance(value, Expected):
            found[value._node] = None
        elif id(value) in self._made_by:
            found[self._made_by[id(value)][1]] = None
        elif isinstance(value, unmapped | allow_failure):
            self._look(value.value, found, depth)
        elif isinstance(value, dict | list | tuple | set) and depth < _DEEPEST:
            for item in value.values() if isinstance(value, dict) else value:
                self._look(item, found, depth + 1)

    def __str__(self) -> str:
        return drawing.to_text(self.nodes, self.edges)

    __repr__ = __str__

    @property
    def mermaid(self) -> str:
        """The graph as Mermaid text."""
        return drawing.to_mermaid(self.nodes, self.edges)

    @property
    def svg(self) -> str:
        """The graph as an SVG picture."""
        return drawing.to_svg(self.nodes, self.edges, title=self.name)

    def _repr_svg_(self) -> str:
        return self.svg

    def _ipython_display_(self) -> None:
        from headrace.kernel_magic.cells.sketch_view import show

        show(self)


class Expected:
    """Stands for what a task returns, and for its future, while a flow is drawn."""

    def __init__(self, node: str, name: str) -> None:
        self._node = node
        self._name = name

    def result(self, timeout: float | None = None, raise_on_failure: bool = True) -> Any:
        """Return itself (see TaskFuture)."""
        return self

    def wait(self, timeout: float | None = None) -> None:
        """Return at once (see TaskFuture)."""

    def done(self) -> bool:
        """Return True (see TaskFuture)."""
        return True

    def add_done_callback(self, fn: Any) -> None:
        """Call `fn(self)` (see TaskFuture)."""
        fn(self)

    @property
    def state(self) -> State:
        """Completed (see TaskFuture)."""
        return State(type=StateType.COMPLETED, data=self)

    def __getattr__(self, name: str) -> Expected:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __getitem__(self, key: Any) -> Expected:
        return self

    def __await__(self) -> Any:
        return self
        yield

    def _wanted(self, *_: Any) -> Any:
        raise UsageError(
            f"drawing the flow needs what {self._name!r} returns: give it an example, @task(viz_return_value=…)."
        )

    __iter__ = __len__ = __bool__ = __int__ = __float__ = __index__ = __add__ = __radd__ = _wanted
    __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __lt__ = __le__ = __gt__ = __ge__ = _wanted


async def _later(value: Any) -> Any:
    return value


def stand_in(task: Any, args: tuple[Any, ...], kwargs: dict[str, Any], how: str) -> Any:
    """Answer a call of a task or flow while a flow is drawn.

    Parameters
    ----------
    task : Task or Flow
    args : tuple
    kwargs : dict
    how : str
        "call", "submit" or "map".

    Returns
    -------
    object
        What the call would return, as a stand-in; `NotImplemented` when nothing is drawn in this context.
    """
    sketch = CURRENT.get()
    if sketch is None:
        return NotImplemented
    wait_for = kwargs.pop("wait_for", None)
    as_state = kwargs.pop("return_state", False)
    definition = task._definition
    parameters = definition.bind(args, kwargs)
    value = sketch.call(definition, parameters, wait_for, f"{definition.name} (mapped)" if how == "map" else "")
    if as_state:
        return State(type=StateType.COMPLETED, data=value)
    if how == "map":
        return _Mapped(sketch.nodes[-1].id, definition.name, value)
    if how == "call":
        if definition.is_generator:
            return iter([value])
        return _later(value) if definition.is_async else value
    if isinstance(value, Expected):
        return value
    node = sketch.nodes[-1].id
    return _Given(node, definition.name, value)


class _Given(Expected):
    """The future of a task whose result has an example."""

    def __init__(self, node: str, name: str, value: Any) -> None:
        super().__init__(node, name)
        self._value = value

    def result(self, timeout: float | None = None, raise_on_failure: bool = True) -> Any:
        """Return the example."""
        return self._value


class _Mapped(Expected):
    """The futures of a mapped task: one stands for all."""

    def __init__(self, node: str, name: str, value: Any) -> None:
        super().__init__(node, name)
        self._one = value if isinstance(value, Expected) else _Given(node, name, value)

    def result(self, timeout: float | None = None, raise_on_failure: bool = True) -> Any:
        """Return a list of one."""
        return [self._one.result()]

    def __iter__(self) -> Any:
        return iter([self._one])

    def __getitem__(self, key: Any) -> Any:
        return self._one


def draw(flow: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Sketch:
    """Call a flow's body with stand-ins and return the graph.

    Raises
    ------
    UsageError
        The body needs a value that no task gives an example of, or raised.
    """
    from headrace.kernel_magic.engine.loops import run_to_end

    definition = flow._definition
    sketch = Sketch(definition.name)
    parameters = definition.bind(args, kwargs)
    positional, named = definition.arguments(parameters)
    token = CURRENT.set(sketch)
    DRAWING.count += 1
    try:
        returned = definition.fn(*positional, **named)
        if inspect.isawaitable(returned):
            run_to_end(returned)
        elif definition.is_generator and not definition.is_async:
            for _ in returned:
                pass
    except (UsageError, InvalidParameter):
        raise
    except Exception as error:
        raise UsageError(
            f"flow {definition.name!r} cannot be drawn: its body raised {type(error).__name__}: {one_line(error)}. "
            "A task may give an example of what it returns: @task(viz_return_value=…)."
        ) from error
    finally:
        DRAWING.count -= 1
        CURRENT.reset(token)
    return sketch
