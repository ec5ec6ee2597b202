"""Cells that are run as plain cells and as tasks: all that a person can see must be the same."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """A cell.

    Parameters
    ----------
    code : str
    before, after : str, default ""
        Run in cells of their own; what `after` shows is compared too.
    answers, later : tuple of str, default ()
        What the person types into `code` and into `after`.
    undo : str, default ""
        Run at the end.
    """

    code: str
    before: str = ""
    after: str = ""
    answers: tuple[str, ...] = ()
    later: tuple[str, ...] = ()
    undo: str = ""


_BREAKS = "def f():\n    z = 41\n    1/0\nf()"
_SEEN = (
    "seen = []\ndef pre(info): seen.append(('pre', bool(info.raw_cell)))\n"
    "def post(r): seen.append(('post', r.success, type(r.error_in_exec), type(r.error_before_exec), r.result))\n"
    "events = get_ipython().events\nevents.register('pre_run_cell', pre); events.register('post_run_cell', post)"
)
_UNSEE = "events.unregister('pre_run_cell', pre); events.unregister('post_run_cell', post)"
#: IPython's hint how to leave is a warning that comes once.
_WARN_AGAIN = "import IPython.core.interactiveshell as shell; vars(shell).pop('__warningregistry__', None)"

CASES = {
    # the last value, and what IPython remembers
    "value": Case("20 + 1", after="(_, Out[max(Out)])"),
    "semicolon": Case("20 + 1;", after="_"),
    "none": Case("None"),
    "assignment": Case("x = 5"),
    "two_expressions": Case("1\n2", after="_"),
    "last_values": Case("_ + 1, Out[max(Out)], In[-2]", before="7", after="(_, __)"),
    "own_underscore": Case("_ = 3", after="_", undo="del _"),
    "all_expressions_shown": Case(
        "1\n2",
        before="get_ipython().ast_node_interactivity = 'all'",
        undo="get_ipython().ast_node_interactivity = 'last_expr'",
    ),
    "history": Case("%history -l 0"),
    # streams and displays
    "streams": Case("import sys\nprint('a'); print('b', file=sys.stderr); print('c', flush=True)\nsys.stdout.write('d')"),
    "overwritten_line": Case("for n in range(3):\n    print(f'\\r{n}', end='', flush=True)"),
    "redirected": Case(
        "import contextlib, io\nb = io.StringIO()\nwith contextlib.redirect_stdout(b):\n    print('x')\nb.getvalue()"
    ),
    "display": Case("display(1, 'two')\ndisplay({'text/plain': 'x'}, raw=True, metadata={'a': 1})"),
    "display_by_id": Case("h = display('a', display_id='d')\nh.update('b')\nupdate_display('c', display_id='d')"),
    "updated_by_a_later_cell": Case("display('a', display_id='later')", after="update_display('b', display_id='later')"),
    "clear_output": Case(
        "from IPython.display import clear_output\nprint('a')\nclear_output()\nprint('b')\nclear_output(wait=True)\nprint('c')"
    ),
    "html": Case("from IPython.display import HTML\nHTML('<b>x</b>')"),
    "captured": Case("%%capture cap\nprint('hidden')\n5", after="(cap.stdout, len(cap.outputs))"),
    "captured_error": Case("%%capture cap\n1/0"),
    "warning": Case("import warnings\nwarnings.warn('careful')"),
    "deprecation": Case("import warnings\nwarnings.warn('old', DeprecationWarning)"),
    "syntax_warning": Case("print('\\d')"),
    "logging": Case("import logging\nlogging.getLogger('mine').warning('careful')"),
    "printed_traceback": Case("import traceback\ntry:\n    1/0\nexcept Exception:\n    traceback.print_exc()"),
    "thread_prints": Case("import threading\nt = threading.Thread(target=print, args=('in it',))\nt.start(); t.join()"),
    # ipykernel forgets such an error only when a cell without `await` runs
    "repr_fails": Case("class R:\n    def __repr__(self): return 1/0\nR()", undo="1"),
    "html_repr_fails": Case("class R:\n    def _repr_html_(self): return 1/0\nR()", undo="1"),
    # await
    "await": Case("import asyncio\nprint(1)\nawait asyncio.sleep(0.01)\nawait asyncio.sleep(0, 'x')", after="_"),
    "async_for": Case("async def g():\n    yield 1\nasync for n in g():\n    print(n)\n[n async for n in g()]"),
    "async_with": Case("import asyncio\nasync with asyncio.timeout(9) as t:\n    print(t.expired())"),
    "await_fails": Case("import asyncio\nasync def f():\n    await asyncio.sleep(0)\n    1/0\nawait f()"),
    "task_of_the_loop": Case("import asyncio\nt = asyncio.create_task(asyncio.sleep(0, 4))\nawait t"),
    "cancelled_await": Case("import asyncio\nt = asyncio.create_task(asyncio.sleep(5))\nt.cancel()\nawait t"),
    # magics and the shell
    "shell": Case("!echo hi $v {v}", before="v = 'zz'"),
    "shell_fails": Case("!exit 3", after="_exit_code"),
    "shell_assigned": Case("x = !echo a b\nx"),
    "shell_in_a_loop": Case("for n in range(2):\n    !echo $n"),
    "line_magic": Case("%pwd"),
    "magic_in_a_function": Case("def f():\n    %env HEADRACE_NO_SUCH=1\nf()"),
    "automagic": Case("pwd"),
    "no_such_magic": Case("%nosuchmagic"),
    "no_such_cell_magic": Case("%%nosuchmagic\nx = 1"),
    "cell_magic": Case("%%bash\necho hi\necho err >&2"),
    "cell_magic_fails": Case("%%bash\nexit 3"),
    "cell_magic_html": Case("%%html\n<b>x</b>"),
    "cell_magic_on_a_later_line": Case("x = 1\n%%time\ny = 2"),
    "own_cell_magic": Case(
        "%%shout\nabc",
        before=(
            "from IPython.core.magic import register_cell_magic\n@register_cell_magic\n"
            "def shout(line, cell):\n    print(cell.upper())\n    return len(cell)"
        ),
        after="_",
    ),
    "timed_error": Case("%%time\n1/0"),
    "help": Case("len?"),
    "source": Case("import textwrap\ntextwrap.dedent??"),
    "load": Case("%load l.py", before="open('l.py', 'w').write('a = 1')"),
    "next_input": Case("get_ipython().set_next_input('x = 1')"),
    "run_script": Case("%run r.py\nr", before="open('r.py', 'w').write('print(__name__)\\nr = 4')"),
    "run_script_fails": Case("%run b.py", before="open('b.py', 'w').write('1/0')"),
    "run_cell_within": Case("get_ipython().run_cell('print(3)')\nprint('after')"),
    "run_cell_within_fails": Case("get_ipython().run_cell('1/0')\nprint('after')"),
    "changed_syntax_tree": Case(
        "21",
        before=(
            "import ast\nclass Twice(ast.NodeTransformer):\n    def visit_Constant(self, node):\n"
            "        return ast.copy_location(ast.Constant(node.value * 2), node)\n"
            "twice = Twice()\nget_ipython().ast_transformers.append(twice)"
        ),
        undo="get_ipython().ast_transformers.remove(twice)",
    ),
    # questions
    "input": Case("a = input('name? ')\nb = input()\n(a, b)", answers=("Ada", "Bob")),
    "password": Case("import getpass\ngetpass.getpass('secret: ')", answers=("pw",)),
    "no_questions": Case("input('x')"),
    "breakpoint": Case("q = 3\nbreakpoint()\nq", answers=("p q", "c")),
    "debug_cell": Case("%%debug\nq = 3\nq", answers=("n", "c")),
    "debug_afterwards": Case(_BREAKS, after="%debug", later=("p z", "up", "p __name__", "q")),
    "debug_after_await": Case("import asyncio\nawait asyncio.sleep(0)\nw = 41\n1/0", after="%debug", later=("p w", "q")),
    "debugger_on_error": Case(_BREAKS, before="%pdb on", answers=("p z", "q"), undo="%pdb off"),
    # errors
    "error_in_a_function": Case(_BREAKS, after="%tb"),
    "error_in_an_earlier_function": Case("old(0)", before="def old(n):\n    return 1/n"),
    "error_on_several_lines": Case("x = (1 +\n     2/0)"),
    "chained": Case("try:\n    1/0\nexcept Exception as e:\n    raise ValueError('b') from e"),
    "in_the_context_of_another": Case("try:\n    1/0\nexcept Exception as e:\n    raise ValueError('b')"),
    "error_group": Case("raise ExceptionGroup('g', [ValueError('a'), KeyError('b')])"),
    "error_notes": Case("e = ValueError('a')\ne.add_note('hey')\nraise e"),
    "plain_traceback": Case(_BREAKS, before="%xmode Plain", undo="%xmode Context"),
    "verbose_traceback": Case(_BREAKS, before="%xmode Verbose", undo="%xmode Context"),
    "last_error": Case(_BREAKS, after="import sys\n(sys.last_type, sys.last_traceback.tb_next.tb_next is None)"),
    "own_error_handler": Case(
        "1/0",
        before=(
            "def handle(self, kind, error, trace, tb_offset=None):\n    print('handled', kind.__name__)\n"
            "get_ipython().set_custom_exc((ZeroDivisionError,), handle)"
        ),
        undo="get_ipython().set_custom_exc((), None)",
    ),
    "system_exit": Case("import sys\nsys.exit(3)", before=_WARN_AGAIN),
    "system_exit_in_words": Case("raise SystemExit('bye')", before=_WARN_AGAIN),
    "keyboard_interrupt": Case("raise KeyboardInterrupt('x')"),
    "base_exception": Case("class B(BaseException): pass\nraise B('x')"),
    "stop_iteration": Case("raise StopIteration(4)"),
    "syntax_error": Case("x = = 1"),
    "syntax_error_in_a_string": Case("exec('x = = 1')"),
    "indentation_error": Case("x = 1\n  y = 2"),
    "return_outside": Case("return 5"),
    "break_outside": Case("break"),
    "nonlocal_outside": Case("nonlocal q"),
    "await_in_a_function": Case("def f():\n    await x"),
    "events": Case("5", before=_SEEN, after="seen[1:4]", undo=_UNSEE),
    "events_of_an_error": Case("1/0", before=_SEEN, after="seen[1:4]", undo=_UNSEE),
    "events_of_a_syntax_error": Case("return 1", before=_SEEN, after="seen[1:4]", undo=_UNSEE),
    # code
    "decorator": Case("import functools\n@functools.cache\ndef g(x): return x\ng(4)"),
    "source_of_a_function": Case("import inspect\ndef f():\n    return 1\nprint(inspect.getsource(f))"),
    "module": Case("(__name__, '__file__' in globals(), locals() is globals())"),
    "future": Case("from __future__ import annotations\ndef f(a: NoSuch): pass\nf.__annotations__"),
    "main_thread": Case("import threading\nthreading.current_thread() is threading.main_thread()"),
    "context_variable": Case(
        "c.set(c.get() + 1)\nc.get()", before="import contextvars\nc = contextvars.ContextVar('c', default=0)", after="c.get()"
    ),
    "indented": Case("    x = 1\n    x"),
    "prompts": Case(">>> x = 1\n>>> x\n"),
    "only_a_comment": Case("# nothing"),
    "line_ends_of_windows": Case("x = 1\r\nx"),
    "deep_expression": Case("x = " + "+".join(["1"] * 900) + "\nx"),
    # pictures and widgets
    "figure": Case(
        "%matplotlib inline\nimport matplotlib.pyplot as plt\nfig, ax = plt.subplots(figsize=(1, 1))\nax.plot([1, 2]);"
    ),
    "figure_shown": Case("plt.figure(figsize=(1, 1)); plt.plot([1, 2])\nplt.show()\nprint('after')"),
    "figure_before_an_error": Case("plt.figure(figsize=(1, 1)); plt.plot([1, 2])\n1/0"),
    "slider": Case("import ipywidgets\ns = ipywidgets.IntSlider(value=3)\ns", after="s.value = 5\ns.value"),
    "output_widget": Case(
        "o = ipywidgets.Output()\ndisplay(o)\nwith o:\n    print('inside')\n    display(5)\nprint('outside')"
    ),
    "output_widget_with_an_error": Case("o = ipywidgets.Output()\ndisplay(o)\nwith o:\n    1/0\nprint('outside')"),
    "interact": Case("@ipywidgets.interact(x=(0, 5))\ndef f(x=2):\n    print(x)\n    return x * 2"),
    "callback": Case(
        "s = ipywidgets.IntSlider()\ns.observe(lambda c: print('now', c.new), 'value')\ns.value = 4", after="s.value = 5"
    ),
}  # fmt: skip
