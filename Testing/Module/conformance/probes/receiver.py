"""A receiver with slots of every kind."""

import qt


class Receiver:
    """`got` holds what its slots were called with."""

    def __init__(self):
        self.got = []

    def none(self):
        self.got.append("none")

    def one(self, a):
        self.got.append(a)

    def opt(self, a=None):
        self.got.append(a)

    def two(self, a, b):
        self.got.append((a, b))

    def star(self, *a):
        self.got.append(a)

    def kw(self, a, extra=5):
        self.got.append((a, extra))

    @staticmethod
    def static(a):
        Receiver.last = a

    def __call__(self, *a):
        self.got.append(("call", *a))


def click(signature, slot):
    """What connect() answered, after a click on a button that was connected."""
    b = qt.QPushButton("x")
    ok = b.connect(signature, slot)
    b.click()
    return ok
