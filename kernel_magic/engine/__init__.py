"""The engine: one brain that decides, drivers that obey, and the live run that they share."""
