"""Floor 2: what runs in the user's own Python process."""
