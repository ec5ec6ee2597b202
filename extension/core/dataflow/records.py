"""What the analysis finds, as frozen records: a cell's names, the code it keeps for later, the calls it makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from headrace.core.dataflow.keys import NO_KEYS, NOTHING, Keys, Roots, outer_names

Names = frozenset[str]
NONE: Names = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """An argument of a call, by the objects that it may hand over.

    Parameters
    ----------
    place : int or str
        Position from 0, or keyword; -1 for what a `*` or `**` spreads.
    roots : Roots
    """

    place: int | str
    roots: Roots


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSite:
    """A call whose effect on its arguments is only known where the callee is.

    Parameters
    ----------
    callee : str
        The global name called, or the root of what is called (`obj` of `obj.part.method()`); "" where it is none.
    method : str or None
        The last attribute of the callee.
    receiver : Roots
        What the method is called on.
    arguments : tuple of Argument
        Those that hand over an object known elsewhere.
    code : frozenset of str
        Global names among the positional arguments: they may hold code that the callee runs on the other arguments.
    """

    callee: str
    method: str | None = None
    receiver: Roots = NOTHING
    arguments: tuple[Argument, ...] = ()
    code: Names = NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Deferred:
    """What code kept for later (a function, lambda, class or generator) does with global names when it runs.

    Parameters
    ----------
    name : str
        The definition's name; "<lambda>" or "<generator>" for those without.
    scope : int
        The number of its scope: parameters among objects have it.
    reads, binds, deletes, augments : frozenset of str
        As in `CellFlow`, builtins included in `reads`.
    changes : frozenset of Key
        Outer objects that it changes in place.
    requires : frozenset of str
        Those of `reads` without which it fails for certain.
    called : frozenset of str
        Those of `reads` that it only calls, by their bare names.
    holds_code : bool
        Whether its result may keep code that reads names later (nested functions, generators, coroutines, instances).
    consumable : bool
        Whether it is a generator, which each reader uses up.
    params : tuple of str
        Positional parameters in order; for a method the first is the instance.
    mutates_params, deep_params : frozenset of str
        Parameters whose object it changes, and those in whose object it changes what that holds.
    keeps, returns : frozenset of Key
        Outer objects that it may store into others, and that its result may share.
    keeps_params, returns_params : frozenset of str
        The same for objects of its parameters.
    stateful : bool
        Whether its result keeps a state that running changes (a closure with `nonlocal`, an iterator).
    changes_holder : bool
        Whether running it changes the objects that the name holding it stands for (`add = items.append`).
    yields : bool
        Whether it is a generator function.
    spread : str or None
        The `*args` parameter.
    sites : tuple of CallSite
        Calls that may change what they are given.
    self_calls : frozenset of (str, str)
        Parameter and method called on it (`self.add()`).
    static : bool
        Whether it is a static method: its first parameter is not the instance.
    is_property : bool
        Whether it runs when an attribute is asked for.
    methods : mapping of str to Deferred
        A class's methods.
    is_class : bool
    bases : tuple of str
        Names of a class's bases.
    opaque : frozenset of str
        What in it the analysis cannot see through.
    """

    name: str
    scope: int = 0
    reads: Names = NONE
    requires: Names = NONE
    binds: Names = NONE
    deletes: Names = NONE
    changes: Keys = NO_KEYS
    augments: Names = NONE
    called: Names = NONE
    holds_code: bool = False
    consumable: bool = False
    params: tuple[str, ...] = ()
    mutates_params: Names = NONE
    deep_params: Names = NONE
    keeps: Keys = NO_KEYS
    returns: Keys = NO_KEYS
    keeps_params: Names = NONE
    returns_params: Names = NONE
    stateful: bool = False
    changes_holder: bool = False
    yields: bool = False
    spread: str | None = None
    sites: tuple[CallSite, ...] = ()
    self_calls: frozenset[tuple[str, str]] = frozenset()
    static: bool = False
    is_property: bool = False
    methods: Mapping[str, Deferred] = field(default_factory=dict)
    is_class: bool = False
    bases: tuple[str, ...] = ()
    opaque: Names = NONE

    @property
    def mutates(self) -> Names:
        """Global names whose objects, or what they hold, it changes."""
        return outer_names(self.changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Carry:
    """A name that came to hold code, its own or that of the names it was made from.

    Parameters
    ----------
    target : str
        The name that holds it.
    values, callees, roots : frozenset of str
        Outer names used as values, as `f(…)`, and as `obj.method(…)`.
    own : tuple of Deferred
        Code defined right there.
    eager : bool
        Whether the cell already counts the code's reads as its own.
    handed : frozenset of str
        Decorators that are given `own`: if they are the notebook's own code, they may run it.
    """

    target: str
    values: Names = NONE
    callees: Names = NONE
    roots: Names = NONE
    own: tuple[Deferred, ...] = ()
    eager: bool = True
    handed: Names = NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class PathTemplate:
    """A file that a cell reads, as parts that are known and names that may be (`data / "bikes.csv"`).

    Parameters
    ----------
    parts : tuple of (str, bool)
        Text and False, or a name and True.
    """

    parts: tuple[tuple[str, bool], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CellFlow:
    """The names through which a cell depends on its surroundings.

    Parameters
    ----------
    reads : frozenset of str
        Names that the cell may need from outside: read on some path before the cell has surely bound them,
        functions called in the cell included; without builtins.
    requires : frozenset of str
        Those of `reads` without which the cell fails: no binding in the cell can come before, and no handler catches it.
    ambient_reads : frozenset of str
        Builtins (and what IPython adds) read; they matter only where a cell shadows one.
    binds : frozenset of str
        Names that may be bound by the cell when it has ended.
    surely_binds : frozenset of str
        Those bound whichever way the cell went.
    usually_binds : frozenset of str
        Those bound whichever way the cell went, if its loops have at least one turn each.
    deletes : frozenset of str
        Names that may be unbound by the cell.
    surely_deletes : frozenset of str
        Those unbound whichever way the cell went.
    scratch : frozenset of str
        Those of `deletes` that are only an `except … as` name.
    mutates : frozenset of str
        Names from outside whose object the cell may change in place.
    augments : frozenset of str
        Names from outside that are assigned by `+=` and the like: read and bound, and changed in place if they are mutable.
    calls_defer : mapping of str to frozenset of str
        Function, lambda or class defined in the cell → global names that it reads when called.
    imports : frozenset of str
        Modules imported, anywhere in the cell.
    import_names : mapping of str to str
        Name bound by a plain `import` → its module.
    star_imports : tuple of str
        Modules of `from … import *`: they bind names that cannot be seen here.
    file_reads : tuple of str
        Literal paths (or patterns) of the files that the cell reads, in order of appearance.
    path_templates : tuple of PathTemplate
        Paths that need names of other cells.
    path_constants : mapping of str to str
        Names bound to literal paths or texts by the cell, for the templates of others.
    file_writes : tuple of str
        Literal paths of the files that the cell writes.
    write_templates : tuple of PathTemplate
        Paths of written files that need names of other cells.
    defines_functions : frozenset of str
        Names bound by `def` or to a lambda.
    defines_classes : frozenset of str
        Names bound by `class`.
    opaque : frozenset of str
        What the analysis cannot see through (`exec`, `globals()`, `%run` …): the cell may read and bind anything.
    method_only_mutations : frozenset of str
        Those of `mutates` that are only suspected for a call `name.method(…)`: nothing if the name is a module.
    carries, calls, called, aliases, changes, read_at, bound_at
        For `build_graph`: code held by names, calls to resolve, objects that names share, changed objects, and the order
        of events in the cell.
    """

    reads: Names = NONE
    requires: Names = NONE
    ambient_reads: Names = NONE
    binds: Names = NONE
    surely_binds: Names = NONE
    usually_binds: Names = NONE
    deletes: Names = NONE
    surely_deletes: Names = NONE
    scratch: Names = NONE
    mutates: Names = NONE
    augments: Names = NONE
    calls_defer: Mapping[str, Names] = field(default_factory=dict)
    imports: Names = NONE
    import_names: Mapping[str, str] = field(default_factory=dict)
    star_imports: tuple[str, ...] = ()
    file_reads: tuple[str, ...] = ()
    path_templates: tuple[PathTemplate, ...] = ()
    path_constants: Mapping[str, str] = field(default_factory=dict)
    file_writes: tuple[str, ...] = ()
    write_templates: tuple[PathTemplate, ...] = ()
    defines_functions: Names = NONE
    defines_classes: Names = NONE
    opaque: Names = NONE
    method_only_mutations: Names = NONE
    carries: tuple[Carry, ...] = ()
    calls: tuple[CallSite, ...] = ()
    called: Names = NONE
    aliases: tuple[tuple[str, Roots], ...] = ()
    changes: Keys = NO_KEYS
    read_at: Mapping[str, int] = field(default_factory=dict)
    bound_at: Mapping[str, int] = field(default_factory=dict)
