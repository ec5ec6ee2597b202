"""Parameters in the languages that papermill translates, with text that no language can mistake for code.

papermill's registry says which translator a kernel has; its shapes of lists,
dicts, comments and assignments are used where they are right. Text is written
anew for each language from a closed alphabet: letters, digits and the
punctuation that has no meaning in any string literal of that language stay,
everything else becomes an escape sequence of fixed length or a character's
number. So a value cannot end its literal, interpolate, or start a history or
magic command, and tests read the literals back by the languages' grammars and,
where it can be installed, in the language itself (bash in its kernel; R,
Octave and C# by their interpreters).

papermill's own escaping leaves `$(…)` alive in Julia and PowerShell, writes
Python's `nan` in all of them, and doubles no backslash for bash's terminal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from papermill import translators as papermill

from headrace.core.errors import InvalidParameter
from headrace.core.parameters.names import validate_name
from headrace.server.languages.base import Dialect
from headrace.server.languages.numeric import Julia, Matlab, Octave, R
from headrace.server.languages.plain_values import plain
from headrace.server.languages.shells import Bash, PowerShell
from headrace.server.languages.typed import CSharp, FSharp, Scala


def translate(
    values: Mapping[str, Any], kernel_name: str, language: str, *, comment: str = "Parameters", lenient: bool = False
) -> str:
    """Return a cell's source that sets parameters in another language than Python.

    Parameters
    ----------
    values : mapping of str to object
        The parameters.
    kernel_name, language : str
        The kernel, as papermill's registry knows it.
    comment : str, default "Parameters"
        The first line.
    lenient : bool, default False
        Let papermill's (or a plug-in's) translator write where there is no proved one.

    Returns
    -------
    str
        The source.

    Raises
    ------
    InvalidParameter
        If the language is unknown or not proved, or a name or a value cannot be written in it.
    """
    translator = find(kernel_name, language)
    if translator is None:
        raise InvalidParameter(
            f"parameters cannot be set in kernel {kernel_name!r} (language {language!r}): papermill has no translator for it"
        )
    dialect = PROVED.get(translator)
    if dialect is not None:
        return dialect().write(values, comment)
    if not lenient:
        raise InvalidParameter(
            f"parameters for kernel {kernel_name!r} (language {language!r}) would be written by {translator.__name__}, "
            "whose escaping of text Headrace has not proved; run with --lenient (lenient=True) if all values are your own"
        )
    named = {validate_name(name): plain(value, name) for name, value in values.items()}
    return str(translator.codify(named, comment))


def find(kernel_name: str, language: str) -> Any:
    """Return papermill's translator for a kernel, or None.

    Parameters
    ----------
    kernel_name, language : str
        The kernel; the name counts first, as in papermill.

    Returns
    -------
    type or None
        The translator class.
    """
    try:
        return papermill.papermill_translators.find_translator(kernel_name, language)
    except papermill.PapermillException:
        return Octave if language == "octave" else None


PROVED: dict[type, type[Dialect]] = {
    papermill.RTranslator: R,
    papermill.JuliaTranslator: Julia,
    papermill.ScalaTranslator: Scala,
    papermill.MatlabTranslator: Matlab,
    papermill.CSharpTranslator: CSharp,
    papermill.FSharpTranslator: FSharp,
    papermill.PowershellTranslator: PowerShell,
    papermill.BashTranslator: Bash,
    Octave: Octave,
}
"""papermill's translator → ours; a translator that a plug-in registered is not among them, nor a subclass."""
