"""28. Instance, class and static methods as flows and tasks."""

from headrace import flow, task


class P28:
    factor = 2

    def __init__(self, base: int) -> None:
        self.base = base

    @flow
    def scaled(self, x: int) -> int:
        return self.helper(x) * self.base

    @task
    def helper(self, x: int) -> int:
        return x + self.base

    @flow
    @classmethod
    def from_class(cls, x: int) -> int:
        return cls.factor * x

    @classmethod
    @flow
    def class_outside(cls, x: int) -> int:
        return cls.factor * x

    @flow
    @staticmethod
    def from_nothing(x: int) -> int:
        return x

    @staticmethod
    @task
    def static_outside(x: int) -> int:
        return x


thing = P28(3)
assert thing.scaled(1) == 12
assert thing.helper.submit(1).result() == 4
assert P28.from_class(4) == thing.from_class(4) == 8
assert thing.from_nothing(7) == P28.from_nothing(7) == 7
assert P28.static_outside(5) == thing.static_outside(5) == 5
assert P28.class_outside(4) == 8
