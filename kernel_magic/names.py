"""Names of runs: checked, made up, or filled in from a template."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from headrace.core.errors import InvalidName, InvalidOption

if TYPE_CHECKING:
    from headrace.kernel_magic.engine.live import LiveRun

#: Refused in names of flows and tasks: they would look like markup in the panel.
BANNED = "<>"
LONGEST_NAME = 200

ADJECTIVES = (
    "amber ample azure bold brave breezy bright brisk calm clear clever cobalt cool copper coral crisp curious "
    "daring deep dewy eager early fair fleet fluent fresh gentle glad golden grand green hardy hazel honest humble "
    "jolly keen kind lively lucid lunar mellow merry mighty misty modest nimble noble olive patient placid polite "
    "prime proud quick quiet rapid ready rosy rustic sandy sharp silver sleek smooth snug solar solid sound spry "
    "steady still sturdy sunny swift tidal tidy tranquil upland upper vivid warm wise witty young zesty"
).split()
ANIMALS = (
    "badger beaver bison bittern bobolink caribou chickadee cormorant cougar coyote crane cricket curlew dipper "
    "dragonfly duck dunlin eagle egret eider elk ermine falcon finch fisher fox gannet goose grebe grouse gull hare "
    "harrier hawk heron ibis jay kestrel kingfisher lark linnet loon lynx mallard marmot marten merlin mink moose "
    "newt nuthatch osprey otter owl oyster petrel pika pintail plover puffin quail rail raven robin salmon sandpiper "
    "seal shrew siskin snipe sparrow starling sturgeon swallow swan swift teal tern thrush trout turtle vireo vole "
    "walrus warbler waxwing weasel whale widgeon wolf wren"
).split()

_draw = random.Random()


def run_slug() -> str:
    """Return a name for a flow run, e.g. "quick-heron"."""
    return f"{ADJECTIVES[int(_draw.random() * len(ADJECTIVES))]}-{ANIMALS[int(_draw.random() * len(ANIMALS))]}"


def task_slug(name: str) -> str:
    """Return a name for a run of a task: its name and three hexadecimal digits, e.g. "clean-3f2"."""
    return f"{name}-{int(_draw.random() * 4096):03x}"


def check_name(name: object, what: str) -> str:
    """Return a name that was given for a flow or a task.

    Raises
    ------
    InvalidName
        It is no text, empty, too long, or has `<` or `>` in it.
    """
    if not isinstance(name, str):
        raise InvalidName(f"The name of a {what} must be text; it is {name!r}.", field="name")
    if not name.strip():
        raise InvalidName(f"The name of a {what} is empty; leave it out to use the function's name.", field="name")
    found = [mark for mark in BANNED if mark in name]
    if found:
        raise InvalidName(
            f"The name {name!r} of a {what} has {' and '.join(map(repr, found))} in it; use another name, e.g. "
            f"{name.translate({ord(mark): None for mark in BANNED}).strip() or what!r}.",
            field="name",
        )
    if len(name) > LONGEST_NAME:
        raise InvalidName(
            f"The name of a {what} has {len(name)} characters; at most {LONGEST_NAME} are shown: {name[:40]}…",
            field="name",
        )
    return name


@lru_cache(maxsize=256)
def _fields(template: str) -> tuple[str, ...]:
    fields = []
    for _text, field, _spec, _conversion in string.Formatter().parse(template):
        if field is not None:
            fields.append(field.split(".")[0].split("[")[0])
    return tuple(fields)


def check_template(template: object, parameters: Mapping[str, Any], *, open_ended: bool, option: str) -> None:
    """Check a run-name template against the function's parameters, before anything runs.

    Parameters
    ----------
    template : str, callable or None
    parameters : mapping
        The function's parameters by name.
    open_ended : bool
        Whether the function takes `**kwargs`: any name may come then.
    option : str
        "task_run_name" or "flow_run_name".

    Raises
    ------
    InvalidOption
        It is neither text nor callable, is no format string, or names something that is no parameter.
    """
    if template is None or callable(template):
        return
    if not isinstance(template, str) or not template:
        raise InvalidOption(
            f"{option} must be a template such as 'load-{{day}}' or a callable; it is {template!r}.", field=option
        )
    try:
        fields = _fields(template)
    except ValueError as error:
        raise InvalidOption(f"{option} {template!r} is no format string: {error}.", field=option) from error
    unknown = [name for name in fields if name not in parameters]
    if unknown and not open_ended:
        known = ", ".join(parameters) or "none"
        raise InvalidOption(
            f"{option} {template!r} names {unknown[0]!r}, which is no parameter (there are: {known}).", field=option
        )


def fill_template(
    template: str | Callable[..., str], parameters: Mapping[str, Any], option: str, run: LiveRun | None = None
) -> str:
    """Return the name that a template or callable gives for these parameters.

    Parameters
    ----------
    template : str or callable
    parameters : mapping
    option : str
        For messages.
    run : LiveRun or None, default None
        What `headrace.runtime` shows to a callable.

    Raises
    ------
    InvalidName
        The template cannot be filled in, or the callable failed or returned no text.
    """
    try:
        if callable(template):
            name = _call(template, parameters, run)
        else:
            name = template.format(**parameters)
    except Exception as error:
        raise InvalidName(f"{option} {template!r} failed: {type(error).__name__}: {error}", field=option) from error
    if not isinstance(name, str):
        raise InvalidName(f"{option} must give text; {template!r} gave {name!r}.", field=option)
    return name[:LONGEST_NAME]


def _call(template: Callable[..., Any], parameters: Mapping[str, Any], run: LiveRun | None) -> Any:
    """Call, as inside the run, with no argument, or with the parameters where it asks for them by the name `parameters`."""
    import inspect

    try:
        wants = "parameters" in inspect.signature(template).parameters
    except (TypeError, ValueError):
        wants = False
    from headrace.kernel_magic.engine.live import CURRENT

    token = CURRENT.set(run or CURRENT.get())
    try:
        return template(parameters=dict(parameters)) if wants else template()
    finally:
        CURRENT.reset(token)
