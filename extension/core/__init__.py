"""Floor 0: the vocabulary of Headrace. Standard library only, no I/O."""
