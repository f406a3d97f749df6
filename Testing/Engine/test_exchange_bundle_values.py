"""Values of a MONAI bundle's configuration: references and a little arithmetic are followed, nothing is executed."""

from __future__ import annotations

from pathlib import Path

import pytest

from lossseg.errors import InputError
from lossseg.exchange.monai_values import Values


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("$@a + 1", 4),
        ("$-@a * (2 - 0.5)", -4.5),
        ("$@words + ['z']", ["x", "y", "z"]),
        ("$'a' + '/' + @words#0", "a/x"),
        ("$len(@words) if not @a else None", None),
        ("$os.path.join(@root, 'models')", "./models"),
        (["@a", {"b": "$@a // 2"}], [3, {"b": 1}]),
    ],
)
def test_what_is_computed(expression, value):
    assert Values({"a": 3, "words": ["x", "y"], "root": "."}, Path("c.json")).constant(expression, "key") == value


@pytest.mark.parametrize(
    "expression",
    [
        "$@a ** 9",
        "$'a' * 9999999999",
        "$[0] * 9",
        "$@a.real",
        "$print(@a)",
        "$len(*@words)",
        "$f'{@a}'",
        "$1 if",
        "$" + "(" * 999,
    ],
)
def test_what_is_not_computed(expression):
    with pytest.raises(InputError, match="c.json: key is .* would have to be executed"):
        Values({"a": 3, "words": ["x"]}, Path("c.json")).constant(expression, "key")


def test_circles_and_expansions_end():
    circle = {"a": "@b", "b": "@c#x", "c": "@a", "d": "$@d + 1"}
    for key in ("@a", "@c", "$@b", "@d"):
        with pytest.raises(InputError, match="refers to itself"):
            Values(circle, Path("c.json")).constant(key, "key")
    with pytest.raises(InputError, match="refers to itself"):
        Values(circle, Path("c.json")).raw("a")
    wide = {f"k{number}": [f"@k{number + 1}"] * 10 for number in range(15)} | {"k15": 1}
    with pytest.raises(InputError, match="too many others"):
        Values(wide, Path("c.json")).constant("@k0", "key")
