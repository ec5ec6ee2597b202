"""The door for shells: `headrace …`. Imports every floor, lazily."""
