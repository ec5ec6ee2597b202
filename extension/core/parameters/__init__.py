"""Parameters as data: declared in a notebook's cell, checked and typed before a run, written as literals, never as text.

======================  ==========================================================================
`inspect`               what a parameters cell declares, without running it
`annotations`           its types
`schema`                the same as JSON schema
`coercion`              values checked against it (`conversion`: one value, one type)
`precedence`            which option's value counts
`literals`, `reading`   Python values as source, and back, without `eval`
`jsonable`              Python values as JSON, and back
`templates`             `{tokens}` in paths and values
`names`, `errors`       what a parameter may be called; all faults in one error
======================  ==========================================================================
"""

from headrace.core.parameters.coercion import Checked, coerce, prepare, split_secrets, validate
from headrace.core.parameters.errors import FieldError, ParameterErrors
from headrace.core.parameters.inspect import inspect_source
from headrace.core.parameters.jsonable import decode, encode, json_safe
from headrace.core.parameters.literals import PythonSource, python_assignments, python_literal, python_source
from headrace.core.parameters.model import EnumMember, Parameter
from headrace.core.parameters.names import validate_name
from headrace.core.parameters.precedence import Merged, merge_parameters
from headrace.core.parameters.schema import parameter_schema, parameters_schema

__all__ = [
    "Checked",
    "EnumMember",
    "FieldError",
    "Merged",
    "Parameter",
    "ParameterErrors",
    "PythonSource",
    "coerce",
    "decode",
    "encode",
    "inspect_source",
    "json_safe",
    "merge_parameters",
    "parameter_schema",
    "parameters_schema",
    "prepare",
    "python_assignments",
    "python_literal",
    "python_source",
    "split_secrets",
    "validate",
    "validate_name",
]
