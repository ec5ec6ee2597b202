"""Dataflow of notebooks: which cells depend on which, told from their code alone.

`analyse` finds the names through which one cell depends on its surroundings,
`build_graph` joins the cells of a notebook, `normalise_source` and
`source_digest` say whether a cell's code is still the same. Standard library
only; IPython's syntax is turned into Python by the caller's transformer.
"""

from __future__ import annotations

from headrace.core.dataflow.analysis import analyse
from headrace.core.dataflow.build import build_graph
from headrace.core.dataflow.errors import CellSyntaxError
from headrace.core.dataflow.graph import CellGraph, CellInput, CellLinks, Edge, Problem, RerunStep, plan_rerun
from headrace.core.dataflow.ipython import sparing
from headrace.core.dataflow.normalise import normalise_source, source_digest
from headrace.core.dataflow.records import CellFlow, Deferred

__all__ = [
    "CellFlow",
    "CellGraph",
    "CellInput",
    "CellLinks",
    "CellSyntaxError",
    "Deferred",
    "Edge",
    "Problem",
    "RerunStep",
    "analyse",
    "build_graph",
    "normalise_source",
    "plan_rerun",
    "source_digest",
    "sparing",
]
