"""Floor 2: what runs beside Jupyter Server."""
