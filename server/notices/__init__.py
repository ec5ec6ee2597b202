"""Telling people what became of their deployments' runs: what is worth telling, and how it is sent."""
