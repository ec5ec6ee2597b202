"""Results: how values are hashed, stored, sealed, found again, and why a cache hit or missed."""
