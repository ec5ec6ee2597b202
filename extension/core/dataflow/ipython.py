"""What IPython's transformer leaves in the code: calls of `get_ipython()` with magics and shell commands as text."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from headrace.core.dataflow.errors import CellSyntaxError
from headrace.core.dataflow.parsing import parse_expression
from headrace.core.dataflow.records import PathTemplate

if TYPE_CHECKING:
    from headrace.core.dataflow.analysis import CellWalker

#: Cell magics whose body is Python run in the notebook's namespace.
PYTHON_CELL_MAGICS: frozenset[str] = frozenset(
    {"time", "capture", "prun", "task", "flow", "memit", "mprun", "scalene", "skip_if"}
)
#: Cell and line magics whose Python runs in a namespace of its own: it reads, and binds nothing.
TIMED_MAGICS: frozenset[str] = frozenset({"timeit"})
#: Line magics whose text is a Python statement, after options.
PYTHON_LINE_MAGICS: frozenset[str] = frozenset({"time", "prun", "memit", "mprun", "lprun"})
#: Line magics after which the namespace is anyone's guess.
OPAQUE_MAGICS: frozenset[str] = frozenset(
    "run reset reset_selective load loadpy edit rerun recall rep macro pylab store run_line_magic load_ext_vars".split()
)
#: Line magics whose text names objects to look at.
LOOKING_MAGICS: frozenset[str] = frozenset(
    {"pinfo", "pinfo2", "pdoc", "pdef", "psource", "pfile", "who", "whos", "pycat"}
)
#: Options that take a value, by magic: letters as IPython's own parsers have them.
_OPTION_LETTERS: dict[str, str] = {"timeit": "nrp", "prun": "lsTD", "memit": "rtio", "mprun": "fT", "lprun": "fmTDsu"}
_OPTION = re.compile(r"\s*-(-?[A-Za-z][\w-]*)")
_SHELL_METHODS = frozenset({"system", "getoutput", "getoutput_pipe", "system_piped", "system_raw"})
#: What a cell has that IPython's transformer may change: `%`, `!` and `?`, lines that begin with `,`, `;`, `/` or a prompt,
#: leading blanks, lines of blanks alone, and ends of lines other than "\\n".
_MARKS = re.compile(
    r"[%!?\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]|\A\s|^[ \t]*(?:[,;/]|>>>|\.\.\.|In \[)|^[ \t]+$", re.MULTILINE
)
_DOLLAR = re.compile(r"\$\$|\$([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)")


def sparing(transform: Callable[[str], str]) -> Callable[[str], str]:
    """Return IPython's transformer without the cells that it would leave as they are: it tokenises every one.

    Parameters
    ----------
    transform : callable
        `TransformerManager().transform_cell`, to which nobody has added anything.
    """

    def transformed(source: str) -> str:
        if _MARKS.search(source) is not None:
            return transform(source)
        return source if source.endswith("\n") else source + "\n"

    return transformed


def visit_shell_call(walker: CellWalker, node: ast.Call, func: ast.Attribute) -> bool:
    """Visit `get_ipython().method(…)`; True where the call was one of those that are understood.

    Parameters
    ----------
    walker : CellWalker
    node : ast.Call
    func : ast.Attribute
        The method called.

    Returns
    -------
    bool
    """
    base = func.value
    if not (isinstance(base, ast.Call) and isinstance(base.func, ast.Name) and base.func.id == "get_ipython"):
        return False
    texts = [a.value if isinstance(a, ast.Constant) and isinstance(a.value, str) else None for a in node.args]
    if func.attr in _SHELL_METHODS and texts and texts[0] is not None:
        interpolated(walker, texts[0])
        return True
    if func.attr in ("run_line_magic", "magic") and texts and texts[0] is not None:
        name, _, rest = (
            texts[0].partition(" ") if func.attr == "magic" else (texts[0], "", texts[1] if texts[1:] else "")
        )
        line_magic(walker, name, rest or "")
        return True
    if func.attr == "run_cell_magic" and len(texts) == 3 and None not in texts:
        cell_magic(walker, str(texts[0]), str(texts[1]), str(texts[2]))
        return True
    if func.attr in ("run_cell", "ex", "ev", "run_code", "safe_execfile", "run_cell_async"):
        if func.attr in ("run_cell", "ex", "ev") and texts and texts[0] is not None:
            walker.text(texts[0])
            return True
        walker.unit.opaque.add(f"get_ipython().{func.attr}")
        return False
    if func.attr == "push" and node.args:
        return pushed(walker, node.args[0])
    return False


def pushed(walker: CellWalker, given: ast.expr) -> bool:
    """Visit `get_ipython().push({...})`: it binds the keys."""
    if not isinstance(given, ast.Dict) or not all(isinstance(k, ast.Constant) for k in given.keys):
        walker.unit.opaque.add("get_ipython().push")
        return False
    for key, value in zip(given.keys, given.values, strict=True):
        walker.expr(value)
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            walker.bind(key.value, walker.roots(value))
    return True


def line_magic(walker: CellWalker, name: str, line: str) -> None:
    """Visit `%name line`."""
    if name in TIMED_MAGICS:
        walker.isolated(without_options(name, line))
    elif name in PYTHON_LINE_MAGICS:
        walker.text(without_options(name, line), lenient=True)
    elif name in LOOKING_MAGICS:
        for word in re.findall(r"[A-Za-z_]\w*", line.split("(")[0])[:1]:
            walker.load_global(word, soft=True)
    elif name == "store":
        stored(walker, line)
    elif name in OPAQUE_MAGICS:
        walker.unit.opaque.add(f"%{name}")
        if name == "run":
            interpolated(walker, line)
            script = line.split()[-1:] if line.split() and not line.lstrip().startswith("-") else []
            for path in line.split()[:1] or script:
                if path.endswith((".py", ".ipynb")):
                    walker.file_reads.append(PathTemplate(parts=((path, False),)))
    else:
        interpolated(walker, line)
        if name in ("env", "set_env"):
            return
        bound_by_magic(walker, name, line)


def cell_magic(walker: CellWalker, name: str, line: str, body: str) -> None:
    """Visit `%%name line` with its body."""
    if name in TIMED_MAGICS:
        walker.isolated(f"{without_options(name, line)}\n{body}")
        return
    if name in PYTHON_CELL_MAGICS:
        if name not in ("time", "prun"):
            interpolated(walker, line)
        elif without_options(name, line).strip():
            walker.text(without_options(name, line), lenient=True)
        walker.text(body)
        if name == "capture":
            words = [w for w in line.split() if not w.startswith("-")]
            if words and words[0].isidentifier():
                walker.bind(words[0])
        return
    interpolated(walker, line)
    bound_by_magic(walker, name, line)
    if name in ("writefile", "file") and line.split():
        path = line.split()[-1].strip("\"'")
        named = re.fullmatch(r"\{(\w+)\}", path)
        if named is not None or not set(path) & set("{}$"):
            part = (named.group(1), True) if named is not None else (path, False)
            walker.file_writes.append(PathTemplate(parts=(part,)))
    if "sql" in name:
        for word in re.findall(r"(?<![:\w]):([A-Za-z_]\w*)|\{\{\s*([A-Za-z_]\w*)", body):
            walker.load_global(word[0] or word[1], soft=True)


def stored(walker: CellWalker, line: str) -> None:
    """Visit `%store`: `-r name …` binds, plain names are read."""
    words = line.split()
    if "-r" in words or "-z" in words:
        names = [w for w in words if w.isidentifier()]
        for word in names:
            walker.bind(word)
        if not names and "-r" in words:
            walker.unit.opaque.add("%store")
        return
    for word in words:
        if word.isidentifier():
            walker.load_global(word, soft=True)


def bound_by_magic(walker: CellWalker, name: str, line: str) -> None:
    """Put on record what a magic's options are known to bind (`%%bash --out text`, `%%sql result <<`, `%%R -o frame`)."""
    for option, word in re.findall(r"(--out|--err|--proc|-o|--output)[ =]([A-Za-z_][\w,]*)", line):
        if option.startswith("--") or name in ("R", "julia", "octave", "matlab"):
            for part in word.split(","):
                walker.bind(part)
    for option, word in re.findall(r"(-i|--input)[ =]([A-Za-z_][\w,]*)", line):
        if option and name in ("R", "julia", "octave", "matlab", "cython"):
            for part in word.split(","):
                walker.load_global(part, soft=False)
    target = re.search(r"([A-Za-z_]\w*)\s*=?<<", line)
    if target is not None and "sql" in name:
        walker.bind(target.group(1))


def without_options(name: str, line: str) -> str:
    """Return a magic's text without the options before it.

    Parameters
    ----------
    name : str
        The magic, which decides which options take a value.
    line : str

    Returns
    -------
    str
    """
    letters = _OPTION_LETTERS.get(name, "")
    while (match := _OPTION.match(line)) is not None:
        option, rest = match.group(1), line[match.end() :]
        if len(option) == 1 and option in letters:
            rest = re.sub(r"^\s*\S+", "", rest)
        line = rest
    return line.strip()


def interpolations(text: str) -> Iterator[str]:
    """Yield the Python expressions that IPython puts values for in a command: `{expression}` and `$name`.

    `{{` and `$$` are escapes; what is no Python (`awk '{print $1}'`) is left alone by IPython too.
    """
    depth, start, position = 0, 0, 0
    plain: list[str] = []
    while position < len(text):
        letter = text[position]
        if not depth and text[position : position + 2] in ("{{", "}}"):
            position += 2
            continue
        if letter == "{":
            depth += 1
            if depth == 1:
                start = position + 1
        elif letter == "}" and depth:
            depth -= 1
            if not depth:
                yield text[start:position]
        elif not depth:
            plain.append(letter)
        position += 1
    for match in _DOLLAR.finditer("".join(plain)):
        if match.group(1):
            yield match.group(1)


def interpolated(walker: CellWalker, text: str) -> None:
    """Visit the values that a command's text asks for; a missing one is left as it stands, so it is no fault."""
    for expression in interpolations(text):
        field = re.split(r"![rsa](?=:|$)|:(?=[^:\]]*$)", expression)[0]
        for candidate in (expression, field):
            try:
                tree = parse_expression(candidate)
            except CellSyntaxError:
                continue
            walker.soft += 1
            walker.expr(tree)
            walker.soft -= 1
            break
