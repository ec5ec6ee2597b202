"""What is known to change an object in place: methods, functions, keywords, and what only looks like it.

The analysis has no types, so a method's name decides. Wrongly taking a call for
a mutation costs a needless re-run; missing one gives stale results: where a name
is used both ways, it counts as a mutation unless the call's value is used and
the mutating twin returns None.
"""

from __future__ import annotations

import builtins
import re

#: Method → why it changes its receiver. Sources: the data models of Python's library, NumPy, pandas, scikit-learn, Keras, torch.
MUTATING_METHODS: dict[str, str] = {
    **dict.fromkeys(("append", "extend", "insert", "remove", "sort", "reverse"), "changes a list"),
    **dict.fromkeys(("update", "setdefault", "popitem", "move_to_end"), "changes a dict"),
    **dict.fromkeys(("add", "discard", "pop", "clear"), "changes a set, list or dict"),
    **dict.fromkeys(
        ("difference_update", "intersection_update", "symmetric_difference_update", "subtract"),
        "changes a set or Counter",
    ),
    **dict.fromkeys(("appendleft", "extendleft", "popleft", "rotate"), "changes a deque"),
    **dict.fromkeys(("fill", "resize", "itemset", "setfield", "setflags", "partition", "put"), "changes an array"),
    **dict.fromkeys(("write", "writelines", "writerow", "writerows", "writeheader", "truncate"), "writes to a file"),
    **dict.fromkeys(("read", "readline", "readlines", "readinto", "seek", "close", "flush"), "moves a file's position"),
    **dict.fromkeys(("send", "throw", "__next__"), "advances a generator"),
    **dict.fromkeys(("execute", "executemany", "executescript", "commit", "rollback"), "changes a database"),
    **dict.fromkeys(("fetchone", "fetchmany", "fetchall"), "advances a cursor"),
    **dict.fromkeys(("put_nowait", "get_nowait", "task_done"), "changes a queue"),
    **dict.fromkeys(("set", "acquire", "release", "start", "stop", "cancel"), "changes a lock, event or thread"),
    **dict.fromkeys(("register", "unregister", "subscribe", "unsubscribe", "observe", "unobserve"), "keeps a callback"),
    **dict.fromkeys(("to", "cuda", "cpu", "compile"), "moves or prepares a model"),
    **dict.fromkeys(("fit", "fit_transform", "fit_predict", "fit_resample", "partial_fit"), "trains a model"),
    **dict.fromkeys(("train", "backward", "step", "zero_grad", "load_state_dict", "load_weights"), "trains a model"),
    **dict.fromkeys(("seed", "setstate", "advance"), "sets a random state"),
    **dict.fromkeys(
        ("integers", "normal", "uniform", "standard_normal", "permutation", "permuted", "shuffle", "choice", "choices")
        + (
            "randint",
            "randrange",
            "rand",
            "randn",
            "gauss",
            "poisson",
            "binomial",
            "exponential",
            "multivariate_normal",
        ),
        "draws from a random generator",
    ),
    **dict.fromkeys(
        ("legend", "colorbar", "tight_layout", "subplots_adjust", "suptitle", "annotate", "axhline", "axvline")
        + ("axhspan", "axvspan", "fill_between", "imshow", "contourf", "pcolormesh", "errorbar", "update_layout")
        + ("add_subplot", "add_patch", "add_trace", "invert_xaxis", "invert_yaxis"),
        "draws on a figure",
    ),
    **dict.fromkeys(("__setitem__", "__delitem__", "__setattr__", "__delattr__", "__iadd__"), "stores into an object"),
}

#: Methods of containers, the only objects whose change through a module is looked for: `sys.path.append(p)`,
#: `os.environ.update(e)`, but neither `stats.norm.fit(x)` nor `np.random.choice(x)`.
CONTAINER_METHODS: frozenset[str] = frozenset(
    "append extend insert remove sort reverse update setdefault popitem add discard pop clear appendleft".split()
)

#: Mutating methods that do not keep the objects they are given.
KEEPING_NOTHING: frozenset[str] = frozenset(
    "remove discard pop popleft sort reverse clear write writelines read fill fit fit_transform partial_fit seed step".split()
)

#: Methods whose namesake elsewhere returns a new object (pandas' `Series.add`, `Index.insert`, polars' `sort`, `str.partition`,
#: PIL's `resize`): with a used value they are that namesake, since the mutating ones return None.
PURE_TWINS: frozenset[str] = frozenset(
    "append add insert sort clear reverse remove rotate resize partition subtract set rand choice update "
    "to cuda cpu compile".split()
)

#: Families of mutating methods, by prefix (`set_title`, `add_node`, `remove_edge`, `register_hook`).
MUTATING_PREFIXES: tuple[str, ...] = (
    "set_",
    "add_",
    "remove_",
    "del_",
    "delete_",
    "append_",
    "register_",
    "update_",
    "clear_",
    "on_",
)

#: … and what begins like them but returns a new object (pandas' and geopandas' vocabulary).
PURE_METHODS: frozenset[str] = frozenset(
    "set_index set_axis set_flags set_categories set_geometry set_crs set_names set_levels set_codes add_prefix add_suffix "
    "add_categories remove_categories remove_unused_categories remove_unused_levels add_column remove_columns set_format".split()
)

#: Function (last part of its name) → positions of the arguments that it changes.
MUTATING_FUNCTIONS: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(("heappush", "heappop", "heapify", "heapreplace", "heappushpop"), (0,)),
    **dict.fromkeys(("insort", "insort_left", "insort_right"), (0,)),
    **dict.fromkeys(("shuffle", "fill_diagonal", "copyto", "put", "place", "putmask", "put_along_axis"), (0,)),
    **dict.fromkeys(("setattr", "delattr", "setitem", "delitem", "iadd", "ior", "next", "anext", "copyfileobj"), (0,)),
    **dict.fromkeys(("dump", "to_sql"), (1,)),
    **dict.fromkeys(("exhaust", "consume"), (0,)),
}

#: Functions of modules whose third argument by position is where they write: NumPy's ufuncs of two arguments (`np.add(a, b, c)`).
UFUNCS: frozenset[str] = frozenset(
    "add subtract multiply divide true_divide floor_divide power mod remainder maximum minimum matmul dot logical_and logical_or "
    "bitwise_and bitwise_or hypot arctan2".split()
)

#: Functions of `MUTATING_FUNCTIONS` that are builtins: only these may stand without a module before them and be no import.
MUTATING_BUILTINS: frozenset[str] = frozenset({"setattr", "delattr", "next", "anext"})

#: Keywords that name an object to be written (`np.add(a, b, out=c)`, `print(…, file=f)`).
OUT_KEYWORDS: frozenset[str] = frozenset({"out", "file", "dst", "ax"})

#: Attributes whose methods give something new, whatever their names (`s.str.partition("-")`, `df.style.set_caption("t")`).
PURE_PARTS: frozenset[str] = frozenset({"str", "dt", "style"})

#: Methods that draw, where the object is called as one draws on: pandas has methods of the same names that change nothing.
DRAWING_METHODS: frozenset[str] = frozenset(
    "plot scatter bar barh hist hist2d boxplot violinplot pie stem step stackplot text table fill fill_betweenx contour pcolor "
    "hexbin matshow quiver arrow vlines hlines loglog semilogx semilogy specgram grid axis margins tick_params clabel bar_label".split()
)
DRAWN_ON = re.compile(r"(sub)?(ax|axs|axes|axis|fig|figs|figure)\d*|(ax|axs|axes|fig)_\w+|\w+_(ax|axs|axes|fig)")

#: Classes whose methods may be called through the class: `list.append(x, 1)` changes x.
CONTAINER_CLASSES: frozenset[str] = frozenset(
    {"list", "dict", "set", "bytearray", "deque", "defaultdict", "Counter", "object"}
)

#: Usual names of modules: `np.append(a, b)` changes nothing. Only names that nobody gives to data; modules under other names
#: are known from their import.
MODULE_ALIASES: frozenset[str] = frozenset(
    "np numpy pd pandas os sys math random shutil operator heapq bisect itertools functools json pickle subprocess asyncio plt "
    "sns scipy sklearn torch tf jnp jax".split()
)

#: Functions that use their arguments up before they return and keep none of the code given to them.
CONSUMERS: frozenset[str] = frozenset(
    "len sum min max any all print str repr int float bool complex abs round isinstance issubclass hash id type ord chr hex bin "
    "oct format divmod pow callable hasattr input ascii bytes display".split()
)

#: Functions whose result is a new object that holds the arguments, or what they hold.
SHARING_FUNCTIONS: frozenset[str] = frozenset(
    "enumerate zip reversed sorted list tuple dict set frozenset iter filter chain cycle islice deque defaultdict OrderedDict "
    "partial SimpleNamespace map".split()
)

#: Functions whose result is an argument, a view of it, or an element of it.
VIEWING_FUNCTIONS: frozenset[str] = frozenset(
    "next anext vars asarray asanyarray atleast_1d atleast_2d ravel reshape transpose squeeze swapaxes moveaxis expand_dims "
    "broadcast_to diagonal view memoryview getattr cast min max reduce writer DictWriter".split()
)

#: Functions that give several parts of one whole: what is done to one shows in the others.
WHOLES: frozenset[str] = frozenset({"subplots", "subplot_mosaic"})

#: Methods whose result is the receiver, a view of it, or an element of it.
SHARING_METHODS: frozenset[str] = frozenset(
    "items values keys get setdefault pop popitem popleft view reshape ravel transpose squeeze swapaxes asarray to_numpy "
    "iterrows itertuples elements most_common __getitem__ __iter__ __enter__ fit train set_title cursor add_subplot add_axes gca "
    "get_figure twinx twiny inset_axes create_group require_group create_dataset require_dataset".split()
)

#: Names every cell has without a definition: builtins, what IPython adds, and a module's own attributes.
AMBIENT: frozenset[str] = frozenset(dir(builtins)) | {
    *(
        "get_ipython",
        "display",
        "exit",
        "quit",
        "In",
        "Out",
        "open",
        "anext",
        "aiter",
        "ExceptionGroup",
        "BaseExceptionGroup",
    ),
    *("__name__", "__file__", "__doc__", "__builtins__", "__builtin__", "__spec__", "__loader__", "__package__"),
    *("__annotations__", "__debug__", "__dict__", "__session__", "__vsc_ipynb_file__", "PythonFinalizationError"),
}


def mutates_receiver(method: str) -> bool:
    """Tell whether a method of this name is known to change the object that it is called on.

    Parameters
    ----------
    method : str
        The method's name.

    Returns
    -------
    bool
    """
    if method in MUTATING_METHODS:
        return True
    if method in PURE_METHODS:
        return False
    # torch's in-place operations end in one underscore (`add_`, `normal_`); private and dunder names do not count
    return method.startswith(MUTATING_PREFIXES) or (
        method.endswith("_") and not method.startswith("_") and method[-2:] != "__"
    )
