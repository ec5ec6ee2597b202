"""Notebook runs: one runner process per run (see DESIGN.md, "Runner and warm units")."""
