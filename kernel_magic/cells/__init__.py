"""Cell tasks: `%%task` turns a notebook's cells into recorded, retried, cached runs of one engine."""
