"""4. Pydantic models and dataclasses as parameters: validated, stored, defaults shown."""

from dataclasses import dataclass

import pydantic
from engine_help import Book

from headrace import flow


class Place(pydantic.BaseModel):
    city: str
    zoom: int = 3


@dataclass
class Window:
    first: int
    last: int = 12


@flow
def p04_map(place: Place, window: Window, colour: str = "blue") -> tuple:
    return type(place), type(window), place.zoom


assert p04_map({"city": "Montréal"}, Window(1)) == (Place, Window, 3)
run = Book().one("p04-map")
assert run.parameters == {
    "place": {"city": "Montréal", "zoom": 3},
    "window": {"first": 1, "last": 12},
    "colour": "blue",
}, run.parameters
