"""The door: the public names, imported lazily, and the hooks of Jupyter and IPython."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from importlib import import_module

import pytest
from source_tree import ROOT, modules, tree

import headrace

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
HEAVY = ("sqlalchemy", "tornado", "IPython", "pydantic", "jupyter_core", "asyncio", "croniter", "click", "rich")


def python(code: str) -> str:
    """Run code in a fresh process and return what it printed."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_public_names_are_sorted_and_said_once() -> None:
    assert len(headrace.__all__) == len(set(headrace.__all__))  # the linter holds their order
    assert set(headrace.__all__) == {*headrace._MODULES, "__version__"}
    assert list(headrace._MODULES) == sorted(headrace._MODULES)


@pytest.mark.parametrize("name", headrace.__all__)
def test_every_public_name_is_there_and_comes_from_where_the_table_says(name: str) -> None:
    value = getattr(headrace, name)
    if name in headrace._MODULES:
        assert value is getattr(import_module(headrace._MODULES[name]), name)
    assert name in dir(headrace)


def test_type_checkers_see_the_same_names_from_the_same_modules() -> None:
    seen = {
        alias.name: node.module
        for guard in tree(modules()["headrace"]).body
        if isinstance(guard, ast.If) and ast.unparse(guard.test) == "TYPE_CHECKING"
        for node in guard.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname == alias.name
    }
    assert seen == headrace._MODULES


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'headrace' has no attribute 'workflow'"):
        _ = headrace.workflow
    with pytest.raises(ImportError):
        from headrace import workflow  # noqa: F401


def test_importing_headrace_loads_nothing_heavy() -> None:
    loaded = json.loads(python("import headrace, json, sys; print(json.dumps(sorted(sys.modules)))"))
    assert "headrace" in loaded
    assert [name for name in HEAVY if name in loaded] == []


def test_the_version_is_the_distributions() -> None:
    assert headrace.__version__ == PROJECT["version"]
    panel = ROOT / "labextension"
    assert json.loads((panel / "package.json").read_text())["version"] == PROJECT["version"]
    assert f"VERSION = '{PROJECT['version']}'" in (panel / "src" / "version.ts").read_text()


def entry_points() -> list[tuple[str, str]]:
    groups = {"scripts": PROJECT["scripts"], **PROJECT.get("entry-points", {})}
    return [(f"{group}: {name}", target) for group, names in groups.items() for name, target in names.items()]


@pytest.mark.parametrize("target", [pytest.param(target, id=name) for name, target in entry_points()])
def test_every_entry_point_leads_somewhere(target: str) -> None:
    module, _, attribute = target.partition(":")
    # In a process of its own: an entry point may be the first thing that anybody imports.
    assert python(f"from {module} import {attribute} as it; print(callable(it))") == "True\n"


def test_a_missing_lab_extra_is_answered_with_the_command_that_brings_it() -> None:
    said = python(
        "import sys\n"
        "for name in ('jupyter_server', 'tornado', 'nbclient', 'papermill', 'traitlets'): sys.modules[name] = None\n"
        "from headrace.extras import lab_extra\n"
        "from headrace.core.errors import MissingDependency\n"
        "try:\n"
        "    with lab_extra():\n"
        "        import nbclient\n"
        "except MissingDependency as error:\n"
        "    print(error, error.exit_code)\n"
    )
    assert said == (
        "headrace: nbclient is not installed, and the server side needs it. "
        'Bring it with: pip install "headrace[lab]" 2\n'
    )


def test_lab_says_what_is_missing_for_notebook_runs_and_shows_the_panel_all_the_same() -> None:
    said = python(
        "import logging, sys\n"
        "logging.basicConfig(stream=sys.stdout, format='%(message)s')\n"
        "sys.modules['papermill'] = None\n"
        "import headrace\n"
        "(point,) = headrace._jupyter_server_extension_points()\n"
        "print(point['app'].__name__)\n"
    )
    assert said == (
        "headrace: papermill not installed: the panel shows runs, and notebooks cannot be run. "
        'Bring it with: pip install "headrace[lab]"\nHeadraceApp\n'
    )


def test_any_other_missing_module_is_not_dressed_up() -> None:
    from headrace.extras import lab_extra

    with pytest.raises(ModuleNotFoundError, match="no_such_thing"), lab_extra():
        import_module("no_such_thing")


def test_lab_finds_the_panel_of_a_checkout() -> None:
    (where,) = headrace._jupyter_labextension_paths()
    assert where["dest"] == "headrace"
    assert (ROOT / "extension" / where["src"]).resolve() == ROOT / "labextension" / "dist" / "lab"


def test_a_broken_magic_module_warns_and_does_not_break_the_import() -> None:
    said = python(
        "import sys, warnings\n"
        "import IPython\n"
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance()\n"
        "sys.modules['headrace.kernel_magic.magics'] = None\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        "    import headrace\n"
        "print(headrace.State.__name__, [str(w.message) for w in caught if 'headrace' in str(w.message)])\n"
    )
    assert said.startswith('State ["headrace: its magics are not registered in this kernel: ')
