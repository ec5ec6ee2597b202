"""Files that a cell reads or writes, where their paths stand in the code."""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Mapping
from typing import TYPE_CHECKING

from headrace.core.dataflow.records import PathTemplate

if TYPE_CHECKING:
    from headrace.core.dataflow.expressions import ExpressionWalker

#: Functions that read the file named by their first argument; `read_…` and `scan_…` count too (pandas, polars, geopandas, pyarrow).
READERS: frozenset[str] = frozenset(
    "load loadtxt genfromtxt fromfile loadmat imread open_dataset open_mfdataset open_zarr open_array load_workbook ExcelFile "
    "HDFStore ParquetFile ImageReader TextFileReader load_dataset from_csv from_file load_model load_npz memmap "
    "safe_load_file run_path glob iglob getline load_image".split()
)
#: Functions that read or write, by their mode (second argument, `mode=`).
OPENERS: frozenset[str] = frozenset({"open", "File", "ZipFile", "TarFile", "fdopen", "memmap"})
#: Methods of a path that read it.
PATH_READERS: frozenset[str] = frozenset({"read_text", "read_bytes"})
#: Methods of a path that write it; `to_…` (pandas) and `write_…` (polars) write their first argument.
PATH_WRITERS: frozenset[str] = frozenset({"write_text", "write_bytes", "touch"})
WRITERS: frozenset[str] = frozenset(
    {"save", "savez", "savez_compressed", "savetxt", "savefig", "imwrite", "imsave", "tofile"}
)
#: Those whose path or buffer, given by a name, is another thing afterwards: who reads it must come later.
WRITERS_BY_NAME: frozenset[str] = frozenset(
    "to_csv to_json to_excel to_parquet to_pickle to_feather to_hdf to_html to_latex to_markdown to_stata to_orc to_xml to_file "
    "to_netcdf to_zarr write_csv write_parquet write_json write_excel write_ipc write_html write_image savefig savez savetxt "
    "write_text write_bytes open".split()
)
#: Names of the parameter that holds the path.
PATH_KEYWORDS: tuple[str, ...] = (
    *(
        "filepath_or_buffer",
        "path_or_buf",
        "path",
        "io",
        "source",
        "file",
        "fname",
        "filename",
        "filename_or_obj",
        "fp",
        "name",
    ),
)
#: Functions that make a path of their arguments.
PATH_MAKERS: frozenset[str] = frozenset(
    {"Path", "PurePath", "PosixPath", "WindowsPath", "PurePosixPath", "UPath", "join", "fspath"}
)
_NOT_FILES = frozenset(
    {"read_sql", "read_sql_query", "read_sql_table", "read_clipboard", "read_gbq", "read_html", "read_database"}
)
_NOT_WRITTEN = frozenset(
    {"to_numpy", "to_list", "to_dict", "to_datetime", "to_numeric", "to_frame", "to_timedelta", "to_string"}
)


def note_files(walker: ExpressionWalker, node: ast.Call, name: str, base: ast.AST | None) -> None:
    """Put on record the file that a call reads or writes, if its path can be told from the code.

    Parameters
    ----------
    walker : ExpressionWalker
        Takes the finds.
    node : ast.Call
    name : str
        The last part of what is called.
    base : ast.AST or None
        What the method is called on.
    """
    if base is not None and name in PATH_READERS | PATH_WRITERS:
        _note(walker, base, name, reads=name in PATH_READERS)
    elif name == "open" and base is not None and not _is_module_open(walker, base):
        _note(walker, base, name, reads=not _writes(node, 0))
    elif name in OPENERS:
        _note(walker, _path_argument(node), name, reads=not _writes(node, 1))
    elif name in READERS or (name.startswith(("read_", "scan_")) and name not in _NOT_FILES):
        _note(walker, _path_argument(node), name, reads=True)
    elif base is not None and (name in WRITERS or (name.startswith(("to_", "write_")) and name not in _NOT_WRITTEN)):
        _note(walker, _path_argument(node), name, reads=False)


def _note(walker: ExpressionWalker, node: ast.AST | None, name: str, *, reads: bool) -> None:
    if not reads and isinstance(node, ast.Name) and name in WRITERS_BY_NAME:
        walker.mutate(walker.roots(node).itself, strong=True)
    parts = path_parts(node) if node is not None else None
    if parts is not None and all(not is_name or walker.key(text) == text for text, is_name in parts):
        (walker.file_reads if reads else walker.file_writes).append(PathTemplate(parts=tuple(parts)))


def _is_module_open(walker: ExpressionWalker, base: ast.AST) -> bool:
    """Tell `gzip.open("f")` from `Path("f").open()`."""
    return isinstance(base, ast.Name) and (
        walker.is_module(base.id) or base.id in {"gzip", "bz2", "lzma", "io", "codecs", "Image"}
    )


def _path_argument(node: ast.Call) -> ast.AST | None:
    if node.args:
        return node.args[0]
    for keyword in node.keywords:
        if keyword.arg in PATH_KEYWORDS:
            return keyword.value
    return None


def _writes(node: ast.Call, position: int) -> bool:
    mode: ast.AST | None = node.args[position] if len(node.args) > position else None
    for keyword in node.keywords:
        if keyword.arg == "mode":
            mode = keyword.value
    if isinstance(mode, ast.Constant) and isinstance(mode.value, str):
        return any(letter in mode.value for letter in "wax")
    return False


def path_parts(node: ast.AST) -> list[tuple[str, bool]] | None:
    """Return the parts of a path that is literal, or made of literals and names; None for anything else.

    Parameters
    ----------
    node : ast.AST
        The expression that gives the path.

    Returns
    -------
    list of (str, bool) or None
        Text and False, or a name and True.
    """
    if isinstance(node, ast.Constant):
        return [(node.value, False)] if isinstance(node.value, str) and "\n" not in node.value else None
    if isinstance(node, ast.Name):
        return [(node.id, True)]
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Div, ast.Add)):
        left, right = path_parts(node.left), path_parts(node.right)
        if left is None or right is None:
            return None
        return [*left, ("/", False), *right] if isinstance(node.op, ast.Div) else [*left, *right]
    if isinstance(node, ast.JoinedStr):
        found: list[tuple[str, bool]] = []
        for value in node.values:
            if isinstance(value, ast.FormattedValue):
                if value.format_spec is not None or not isinstance(value.value, ast.Name):
                    return None
                found.append((value.value.id, True))
            elif isinstance(value, ast.Constant) and isinstance(value.value, str):
                found.append((value.value, False))
        return found
    if isinstance(node, ast.Call) and not node.keywords:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
        if isinstance(node.func, ast.Attribute) and name in {"resolve", "absolute", "expanduser", "as_posix"}:
            return path_parts(node.func.value)
        if isinstance(node.func, ast.Attribute) and name in {"joinpath", "glob", "rglob"}:
            start = path_parts(node.func.value)
            return None if start is None else _joined([start, *map(path_parts, node.args)])
        if name in PATH_MAKERS or name == "str":
            return _joined([path_parts(a) for a in node.args])
    return None


def _joined(pieces: list[list[tuple[str, bool]] | None]) -> list[tuple[str, bool]] | None:
    found: list[tuple[str, bool]] = []
    for piece in pieces:
        if piece is None:
            return None
        if found:
            found.append(("/", False))
        found.extend(piece)
    return found or None


def resolve_path(template: PathTemplate, constants: Mapping[str, str]) -> str | None:
    """Return a template's path where all its names are known.

    Parameters
    ----------
    template : PathTemplate
    constants : mapping of str to str
        Known names.

    Returns
    -------
    str or None
        The path with `.` and double slashes taken out; None where a name is not known or the result is no local path.
    """
    texts = []
    for text, is_name in template.parts:
        known = constants.get(text) if is_name else text
        if known is None:
            return None
        texts.append(known)
    path = "".join(texts)
    if not path or "://" in path or "\0" in path or len(path) > 4096:
        return None
    return posixpath.normpath(path)
