"""The source of the three folders as modules and imports, read and never run: what the architecture tests look at."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {"extension": "headrace", "kernel_magic": "headrace.kernel_magic", "server": "headrace.server"}


@dataclass(frozen=True, kw_only=True)
class Import:
    """One imported module.

    Parameters
    ----------
    importer, target : str
        Dotted names; the target is a module, never a name inside one.
    names : tuple of str
        What is taken from it, () for `import x`.
    line : int
        Where.
    top : bool
        It runs when the importer is imported (not inside a function, not for type checkers only).
    typing : bool
        It is for type checkers only.
    """

    importer: str
    target: str
    names: tuple[str, ...]
    line: int
    top: bool
    typing: bool

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.target}"

    @property
    def package(self) -> str:
        """The distribution-level name: the first part."""
        return self.target.partition(".")[0]


@lru_cache(maxsize=1)
def modules() -> dict[str, Path]:
    """Return every module of the package and its file, but not Alembic's revisions, which are no modules."""
    found = {}
    for folder, package in FOLDERS.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            inner = path.relative_to(ROOT / folder).with_suffix("").parts
            if "versions" in inner:
                continue
            parts = inner[:-1] if inner[-1] == "__init__" else inner
            found[".".join([package, *parts])] = path
    return found


def python_files() -> list[Path]:
    """Return every Python file of the project."""
    files = [ROOT / "setup.py"]
    for folder in (*FOLDERS, "tests", "binder"):
        files += sorted((ROOT / folder).rglob("*.py"))
    return [path for path in files if path.exists() and "__pycache__" not in path.parts]


def source_files() -> list[Path]:
    """Return every file that a person writes in a programming language."""
    front = ROOT / "labextension"
    files = [p for folder in ("src", "style", "ui-tests", "tests") for p in (front / folder).rglob("*")]
    return python_files() + [p for p in files if p.suffix in {".ts", ".tsx", ".css", ".mjs", ".cjs"}]


@lru_cache(maxsize=512)
def tree(path: Path) -> ast.Module:
    """Return a file's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def _is_typing_guard(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def _walk(node: ast.AST, top: bool, typing: bool) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool, bool]]:
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        yield node, top, typing
    inside = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
    if _is_typing_guard(node):
        assert isinstance(node, ast.If)
        for child in node.body:
            yield from _walk(child, False, True)
        for child in node.orelse:
            yield from _walk(child, top, typing)
        return
    for child in ast.iter_child_nodes(node):
        yield from _walk(child, top and not inside, typing)


def imports_of(name: str, path: Path) -> Iterator[Import]:
    """Yield what a file imports; `from headrace.core import states` is an import of the module `states`."""
    for node, top, typing in _walk(tree(path), True, False):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(importer=name, target=alias.name, names=(), line=node.lineno, top=top, typing=typing)
            continue
        base = node.module or ""
        if node.level:
            package = name if path.name == "__init__.py" else name.rpartition(".")[0]
            for _ in range(node.level - 1):
                package = package.rpartition(".")[0]
            base = f"{package}.{base}" if base else package
        plain = []
        for alias in node.names:
            inner = f"{base}.{alias.name}"
            if inner in modules():
                yield Import(importer=name, target=inner, names=(), line=node.lineno, top=top, typing=typing)
            else:
                plain.append(alias.name)
        if plain:
            yield Import(importer=name, target=base, names=tuple(plain), line=node.lineno, top=top, typing=typing)


@lru_cache(maxsize=1)
def imports() -> tuple[Import, ...]:
    """Return every import of every module of the package."""
    return tuple(found for name, path in modules().items() for found in imports_of(name, path))


def floor_of(module: str) -> str:
    """Return the floor a module stands on: core, store, kernel_magic, server or door (all else)."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in {"core", "store", "kernel_magic", "server"} else "door"
