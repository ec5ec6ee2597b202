"""Hostile text in every language that papermill translates: read back by the language's own grammar, and where there is
an interpreter, by the language itself. Bash is always there, in its real kernel too."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hostile import HOSTILE, NAMES, running_kernel, statement
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_notebook

from headrace.server.languages import translate
from headrace.server.parameters import inject

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")) | st.text(
    alphabet="'\"\\$`{}#%!()@uxUnN0123aé\n\t ;😀\u2018\u2019"
)


# --- by grammar ----------------------------------------------------------------------------------------------------

SAFE = r"[A-Za-z0-9 .,:;/_+=()\[\]<>?@&|~^*\-]"


def quoted(source: str, escapes: str) -> str:
    """Match a whole double-quoted literal of safe characters and escapes; return its body."""
    match = re.fullmatch(rf'"((?:{SAFE}|{escapes})*)"', source)
    assert match, source
    return match[1]


def unicode_body(source: str) -> str:
    r"""R, Julia, C# and F# share it: `\uXXXX` and `\UXXXXXXXX`, and no other escape is used."""
    body = quoted(source, r"\\u[0-9a-f]{4}|\\U[0-9a-f]{8}")
    return re.sub(r"\\u(....)|\\U(.{8})", lambda m: chr(int(m[1] or m[2], 16)), body)


def r_body(source: str) -> str:
    """One literal, or several in `paste0`."""
    if not source.startswith("paste0("):
        return unicode_body(source)
    match = re.fullmatch(r'paste0\(\n("[^"]*"\n(?:,"[^"]*"\n)+)\)', source)
    assert match
    return "".join(unicode_body(line.lstrip(",")) for line in match[1].rstrip("\n").split("\n"))


def scala_body(source: str) -> str:
    r"""First as before 2.13.2 (`\uXXXX` is replaced before the lexer, unless its backslash is escaped), then the literal."""

    def early(match: re.Match[str]) -> str:
        slashes = match[1]
        return slashes[:-1] + chr(int(match[2], 16)) if len(slashes) % 2 else match[0]

    lexed = re.sub(r"(\\+)u([0-9a-f]{4})", early, source)
    assert lexed[0] == lexed[-1] == '"'
    short = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", '"': '"', "\\": "\\"}
    # Neither a quote nor a line end came out of the first pass: the literal ends where it was meant to.
    assert re.fullmatch(r'"(?:[^"\\\n\r]|\\[nrtbf"\\])*"', lexed), lexed
    text = re.sub(r"\\(.)", lambda m: short[m[1]], lexed[1:-1])
    return text.encode("utf-16", "surrogatepass").decode("utf-16")


def units(numbers: list[int]) -> str:
    return b"".join(number.to_bytes(2, "big") for number in numbers).decode("utf-16-be", "surrogatepass")


def whole(text: str) -> str:
    """Join surrogates that two parts of an expression brought."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16")


def joined(source: str, literal: str, number: str, numbers: Callable[[str], list[int]]) -> str:
    """Match literals and numbers joined by +, in parentheses if more than one; the first is a literal."""
    part = rf"(?:{literal}|{number})"
    match = re.fullmatch(rf"{literal}|\(({literal}(?: \+ {part})+)\)", source)
    assert match, source
    inside = match[1] or source
    text = ""
    for piece in re.finditer(part, inside):
        text += piece[0][1:-1] if piece[0][0] in "\"'" else units(numbers(piece[0]))
    return whole(text)


def matlab_body(source: str) -> str:
    literal, number = rf'"{SAFE}*"', r"char\(\[\d+(?: \d+)*\]\)"
    return joined(source, literal, number, lambda piece: [int(n) for n in re.findall(r"\d+", piece)])


def powershell_body(source: str) -> str:
    return joined(source, rf"'{SAFE}*'", r"\[char\]0x[0-9a-f]{4}", lambda piece: [int(piece[-4:], 16)])


def octal_body(body: str) -> str:
    raw = re.sub(rb"\\([0-7]{3})", lambda m: bytes([int(m[1], 8)]), body.encode("ascii"))
    return raw.decode("utf-8")


def octave_body(source: str) -> str:
    return octal_body(quoted(source, r"\\[0-7]{3}"))


def bash_statement(source: str) -> str:
    text = ""
    for index, line in enumerate(source.split("\n")):
        match = re.fullmatch(rf"x(\+?)=(?:('{SAFE}*')|\$'((?:{SAFE}|\\[0-7]{{3}})*)'|)", line)
        assert match, line
        assert bool(match[1]) is (index > 0)
        text += match[2][1:-1] if match[2] else octal_body(match[3] or "")
    return text


def prefixed(prefix: str, body: Callable[[str], str], end: str = "") -> Callable[[str], str]:
    def read(source: str) -> str:
        assert source.startswith(prefix)
        assert source.endswith(end)
        return body(source[len(prefix) : len(source) - len(end)])

    return read


GRAMMAR: dict[str, Callable[[str], str]] = {
    "R": prefixed("x = ", r_body),
    "julia": prefixed("x = ", unicode_body),
    "scala": prefixed("val x = ", scala_body),
    "matlab": prefixed("x = ", matlab_body, ";"),
    "octave": prefixed("x = ", octave_body, ";"),
    "C#": prefixed("var x = ", unicode_body, ";"),
    "F#": prefixed("let x = ", unicode_body),
    "PowerShell": prefixed("$x = ", powershell_body),
    "bash": bash_statement,
}


@pytest.mark.parametrize("language", GRAMMAR)
@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: repr(value)[:24])
def test_hostile_text_is_one_literal_of_the_language(language: str, value: str) -> None:
    assert GRAMMAR[language](statement(language, value)) == value


@pytest.mark.parametrize("language", GRAMMAR)
@settings(max_examples=60, deadline=None)
@given(value=TEXT)
def test_any_text_is_one_literal_of_the_language(language: str, value: str) -> None:
    assert GRAMMAR[language](statement(language, value)) == value


# --- by interpreters -----------------------------------------------------------------------------------------------


def check(source: str, show: str, end: str = "") -> str:
    return f"{source}\n{show}\n{end}"


Runner = Callable[[str, pathlib.Path], list[str]]


def run(command: list[str], folder: pathlib.Path) -> list[str]:
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")


def assigned(language: str) -> str:
    names = {f"x{index}": value for index, value in enumerate(HOSTILE)}
    return translate(names, NAMES[language], language)


def bash(folder: pathlib.Path) -> list[str]:
    shows = "\n".join(f'printf %s "$x{index}" | od -An -v -tx1 | tr -d " \\n"; echo' for index in range(len(HOSTILE)))
    (folder / "code").mkdir()
    (folder / "code" / "t.sh").write_text(f"{assigned('bash')}{shows}\n")
    return run(["bash", "code/t.sh"], folder)


def r(folder: pathlib.Path) -> list[str]:
    shows = "\n".join(f'cat(charToRaw(enc2utf8(x{i})), "\\n", sep="")' for i in range(len(HOSTILE)))
    (folder / "code").mkdir()
    (folder / "code" / "t.R").write_text(f"{assigned('R')}{shows}\n")
    return run(["Rscript", "--vanilla", "code/t.R"], folder)


def octave(folder: pathlib.Path) -> list[str]:
    shows = "\n".join(f'printf("%02x", uint8(x{index})); printf("\\n");' for index in range(len(HOSTILE)))
    (folder / "code").mkdir()
    (folder / "code" / "t.m").write_text(f"1;\n{assigned('octave')}{shows}\n")
    return run(["octave-cli", "--norc", "--quiet", "code/t.m"], folder)


def csharp(folder: pathlib.Path) -> list[str]:
    shows = "\n".join(
        f'System.Console.WriteLine(System.BitConverter.ToString(System.Text.Encoding.UTF8.GetBytes(x{index})).Replace("-", ""));'
        for index in range(len(HOSTILE))
    )
    (folder / "code").mkdir()
    (folder / "code" / "t.cs").write_text(f"class T {{ static void Main() {{\n{assigned('C#')}{shows}\n}} }}\n")
    run(["mcs", "-out:code/t.exe", "code/t.cs"], folder)
    return run(["mono", "code/t.exe"], folder)


def scala(folder: pathlib.Path) -> list[str]:
    shows = "\n".join(
        f'println(x{index}.getBytes("UTF-8").map("%02x".format(_)).mkString)' for index in range(len(HOSTILE))
    )
    (folder / "code").mkdir()
    (folder / "code" / "t.scala").write_text(f"{assigned('scala')}{shows}\n")
    return run(["scala", "-nc", "code/t.scala"], folder)


INTERPRETERS: dict[str, tuple[str, Callable[[pathlib.Path], list[str]]]] = {
    "bash": ("bash", bash),
    "R": ("Rscript", r),
    "octave": ("octave-cli", octave),
    "C#": ("mcs", csharp),
    "scala": ("scala", scala),
}
HERE = [language for language, (program, _) in INTERPRETERS.items() if shutil.which(program)]
"""The languages of this machine; the grammars above hold the others."""


@pytest.mark.process
@pytest.mark.parametrize("language", HERE)
def test_the_language_itself_reads_hostile_text_and_runs_nothing(language: str, tmp_path: pathlib.Path) -> None:
    shown = INTERPRETERS[language][1](tmp_path)
    assert [line.strip().lower() for line in shown[: len(HOSTILE)]] == [value.encode().hex() for value in HOSTILE]
    assert [item.name for item in tmp_path.iterdir()] == ["code"]


@pytest.fixture(scope="module")
def bash_kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, pathlib.Path]]:
    """One bash kernel for the module; its client and its empty folder."""
    with running_kernel(tmp_path_factory.mktemp("kernel"), "bash_kernel", "bash") as running:
        yield running


def shown(client: Any, source: str) -> str:
    output: list[str] = []

    def keep(message: dict[str, Any]) -> None:
        if message["msg_type"] == "stream":
            output.append(message["content"]["text"])

    reply = client.execute_interactive(source, timeout=60, output_hook=keep, store_history=False)
    assert reply["content"]["status"] == "ok", (reply["content"], output)
    return "".join(output)


SHOW = 'printf %s "$v" | od -An -v -tx1 | tr -d " \\n"; echo; done'


@pytest.mark.kernel
def test_hostile_text_is_only_text_in_the_bash_kernel(bash_kernel: tuple[Any, pathlib.Path]) -> None:
    # All values in one cell: the kernel types line by line into a terminal and waits 50 ms before each.
    client, work = bash_kernel
    values: dict[str, Any] = {f"x{index}": value for index, value in enumerate(HOSTILE)}
    items = [value for value in HOSTILE if len(value) <= 1000] + [None]
    nb = new_notebook(metadata={"kernelspec": {"name": "bash", "display_name": "Bash", "language": "bash"}})
    source = inject(nb, {**values, "items": items}).cells[0].source
    assert shown(client, source) == ""
    found = shown(client, f'for i in $(seq 0 {len(HOSTILE) - 1}); do n="x$i"; v="${{!n}}"; {SHOW}').split()
    assert found == [value.encode().hex() for value in HOSTILE if value]
    found = shown(client, f'for v in "${{items[@]}}"; do {SHOW}').split("\n")
    assert [line.strip() for line in found[: len(items)]] == [(item or "").encode().hex() for item in items]
    assert not list(work.iterdir())
