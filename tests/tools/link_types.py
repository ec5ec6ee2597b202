"""Make `.types/headrace`, a tree of links that shows the three source folders as one package.

Type checkers cannot see an editable install of a mapped layout, and a second
checkout (a git worktree) can run its own code with `PYTHONPATH=.types`
without being installed.
"""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def link(root: Path = ROOT, into: Path | None = None) -> Path:
    """Rebuild the tree of links.

    Parameters
    ----------
    root : Path, default the checkout that holds this file
        The folder with `extension/`, `kernel_magic/` and `server/`.
    into : Path or None, default `.types` in the checkout
        Where the tree is made; what is there goes.

    Returns
    -------
    Path
        The folder to put on `PYTHONPATH` or `mypy_path`.
    """
    types = into or root / ".types"
    package = types / "headrace"
    shutil.rmtree(types, ignore_errors=True)
    package.mkdir(parents=True)
    for item in sorted((root / "extension").iterdir()):
        if item.name != "__pycache__":
            (package / item.name).symlink_to(item)
    for sibling in ("kernel_magic", "server"):
        (package / sibling).symlink_to(root / sibling)
    return types


if __name__ == "__main__":
    print(link())
