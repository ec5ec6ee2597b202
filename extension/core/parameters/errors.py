"""What was wrong with a set of parameters, field by field, in one error."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from headrace.core.errors import InvalidParameter


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """One fault of one parameter.

    Parameters
    ----------
    field : str
        The parameter's name, as the caller spelled it.
    code : str
        `name` (not usable as a name), `unknown`, `missing`, `type` (wrong type), `choice` (not one of the choices) or
        `value` (cannot be written as code).
    message : str
        What is wrong and what to do, without the name in front.
    """

    field: str
    code: str
    message: str

    def as_dict(self) -> dict[str, str]:
        """Return the fault as the JSON object that the API sends."""
        return {"field": self.field, "code": self.code, "message": self.message}


class ParameterErrors(InvalidParameter):
    """All faults of a set of parameters.

    Parameters
    ----------
    errors : iterable of FieldError
        At least one fault, in the order in which they were found.

    Attributes
    ----------
    errors : tuple of FieldError
        The faults.
    """

    def __init__(self, errors: Iterable[FieldError]) -> None:
        faults = tuple(errors)
        text = "; ".join(f"{fault.field}: {fault.message}" for fault in faults)
        many = f"{len(faults)} parameters are wrong" if len(faults) > 1 else "wrong parameter"
        super().__init__(f"{many}: {text}", field=faults[0].field if faults else None)
        self.errors = faults
