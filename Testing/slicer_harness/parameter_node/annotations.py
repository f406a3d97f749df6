"""What typing.Annotated says about a field."""


class Validator:
    """check(value) raises ValueError."""

    def check(self, value) -> None:
        raise NotImplementedError


class Choice(Validator):
    def __init__(self, choices):
        self.choices = list(choices)

    def check(self, value) -> None:
        if value not in self.choices:
            raise ValueError(f"Value is {value}, but must be in one of the following: {self.choices}")


class WithinRange(Validator):
    def __init__(self, minimum, maximum):
        self.minimum, self.maximum = minimum, maximum

    def check(self, value) -> None:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"Value must be within range [{self.minimum}, {self.maximum}], is {value}")


class Minimum(WithinRange):
    def __init__(self, minimum):
        super().__init__(minimum, float("inf"))


class Maximum(WithinRange):
    def __init__(self, maximum):
        super().__init__(float("-inf"), maximum)


class Default:
    def __init__(self, value):
        self.value = value


class Decimals:
    def __init__(self, value: int):
        self.value = value


class SingleStep:
    def __init__(self, value: float):
        self.value = value
