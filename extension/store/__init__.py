"""Floor 1: the store that every process shares. The only place that knows SQLAlchemy."""
