"""The worker: a process of its own that claims due runs and gives each a process."""
