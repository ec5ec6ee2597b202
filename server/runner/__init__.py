"""Notebook runs: one runner process per run (see DESIGN.md, "Runner and warm units")."""

import logging

# Without a handler Python writes a library's warnings to standard error; a run has its own place for them.
logging.getLogger("headrace").addHandler(logging.NullHandler())
