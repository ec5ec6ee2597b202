"""Bash and PowerShell."""

from __future__ import annotations

import re
from typing import Any

from papermill import translators as papermill

from headrace.core.errors import InvalidParameter
from headrace.server.languages.base import SAFE, Dialect, coded, octal, runs, utf16_units, words


class PowerShell(Dialect, papermill.PowershellTranslator):
    """PowerShell: single quotes, where only quotes have a meaning; unsafe characters are added by their numbers.

    The curly quotes U+2018 to U+201B end a single-quoted string too (about_Quoting_Rules): as all non-ASCII characters
    they are numbers here.
    """

    fold_case = True
    widest_int = 2**63 - 1
    not_finite = ("[double]::NaN", "[double]::PositiveInfinity", "[double]::NegativeInfinity")
    reserved = words(
        "true false null args input this error home host pid pshome psversiontable profile pwd shellid stacktrace matches"
        " foreach switch sender event eventargs eventsubscriber executioncontext myinvocation nestedpromptlevel"
        " psboundparameters pscmdlet pscommandpath psculture psdebugcontext psitem psscriptroot psuiculture"
        " psdefaultparametervalues lastexitcode enabledexperimentalfeatures ofs psstyle outputencoding psemailserver"
        " psmoduleautoloadingpreference iscoreclr islinux ismacos iswindows"
    )

    def has_meaning(self, name: str) -> bool:
        return name.casefold().endswith("preference") or name.casefold().startswith("pssession")

    def text(self, value: str) -> str:
        parts = [
            f"'{run}'" if run[0] in SAFE else " + ".join(f"[char]0x{unit:04x}" for unit in utf16_units(run))
            for run in runs(value)
        ]
        if not parts:
            return "''"
        if not parts[0].startswith("'"):
            parts.insert(0, "''")  # the first operand decides that + joins text
        return parts[0] if len(parts) == 1 else f"({' + '.join(parts)})"

    def sequence(self, value: list[Any], name: str) -> str:
        items = [self.value(item, name) for item in value]
        # `@(@(1, 2))` is `@(1, 2)`: a list in a list of one needs the comma operator.
        comma = ", " if len(value) == 1 and isinstance(value[0], list) else ""
        return f"@({comma}{', '.join(items)})"

    def mapping(self, value: dict[str, Any], name: str) -> str:
        if len({key.casefold() for key in value}) < len(value):
            raise InvalidParameter(f"parameter {name!r} has keys that PowerShell takes for one (A and a)", field=name)
        pairs = "; ".join(f"{self.text(key)} = {self.value(item, name)}" for key, item in value.items())
        return f"@{{{pairs}}}"


class Bash(Dialect, papermill.BashTranslator):
    r"""Bash: `$'…'` with octal escapes of three digits (Bash manual, ANSI-C Quoting).

    Single quotes with raw text, as papermill writes them, are enough for bash itself but not for the terminal that the
    bash kernel types into: a tab completes, a control character interrupts, and after a quote `!` recalls history.
    """

    name_list = words(
        "PATH HOME IFS ENV SHELL CDPATH GLOBIGNORE PROMPT_COMMAND PROMPT_DIRTRIM POSIXLY_CORRECT SHELLOPTS UID EUID PPID"
        " GROUPS DIRSTACK FUNCNAME PIPESTATUS LINENO RANDOM SRANDOM SECONDS EPOCHSECONDS EPOCHREALTIME HISTCMD HISTFILE"
        " HISTTIMEFORMAT OPTIND OPTARG OPTERR TERM TMOUT MAILPATH MAIL FIGNORE INPUTRC TIMEFORMAT EXECIGNORE CHILD_MAX"
        " COLUMNS LINES IGNOREEOF LANG LANGUAGE"
    )
    reserved = name_list | words(
        "if then else elif fi case esac for select while until do done in function time coproc"
    )
    piece = 1000
    """Characters in one literal: a terminal's line holds 4,096."""

    def has_meaning(self, name: str) -> bool:
        return bool(re.match(r"BASH|LD_|LC_|COMP_|PS\d$|histchars$|auto_resume$", name))

    def none(self) -> str:
        return ""

    def number(self, value: float) -> str:
        return repr(value)

    def text(self, value: str) -> str:
        if all(char in SAFE for char in value):
            return f"'{value}'"
        return f"$'{coded(value, octal)}'"

    def assignment(self, name: str, value: Any) -> str:
        if isinstance(value, dict):
            raise InvalidParameter(f"parameter {name!r} is a dict, which bash cannot hold; pass JSON text", field=name)
        if isinstance(value, str) and len(value) > self.piece:
            pieces = [value[at : at + self.piece] for at in range(0, len(value), self.piece)]
            return f"{name}=\n" + "\n".join(f"{name}+={self.text(piece)}" for piece in pieces)
        if isinstance(value, list):
            if any(isinstance(item, (list, dict)) for item in value):
                raise InvalidParameter(
                    f"parameter {name!r} is nested, which bash cannot hold; pass JSON text", field=name
                )
            return f"{name}=()" + "".join(f"\n{name}+=({self.item(item, name)})" for item in value)
        return f"{name}={self.value(value, name)}"

    def item(self, item: Any, name: str) -> str:
        """Return one element of an array: nothing is an empty text, for a missing word would shift the others."""
        if isinstance(item, str) and len(item) > self.piece:
            raise InvalidParameter(
                f"parameter {name!r} has an element of more than {self.piece} characters", field=name
            )
        return "''" if item is None else self.value(item, name)
