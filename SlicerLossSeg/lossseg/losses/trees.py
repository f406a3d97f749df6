"""Expression trees over prediction and truth: their form in a file, their formula as text, those that are kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias

from lossseg.errors import InputError

Node: TypeAlias = "str | float | tuple[Any, ...]"
"""A leaf, "p", "y" or a number, or (operation, node, ...)."""

PREDICTION, TRUTH = "p", "y"
UNARY = ("log", "square", "root")
BINARY = ("add", "subtract", "multiply", "divide")
MAX_NODES, MAX_DEPTH, LARGEST = 64, 12, 1e6
_SIGNS = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/"}


@dataclass(frozen=True)
class LossTree:
    """A loss of one voxel as a tree.

    Attributes:
        root: its outermost node.
        both: it is summed over both outcomes, (p, y) and (1 - p, 1 - y), as a classifier's loss over its classes;
            else over (p, y) alone, so that foreground and background may differ.
        facts: how it was found, as JSON data.
    """

    root: Node
    both: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def formula(self) -> str:
        """As text, for a person."""
        return formula(self.root)

    def to_json(self) -> dict[str, Any]:
        return {"tree": _plain(self.root), "both": self.both, "facts": dict(self.facts)}

    @classmethod
    def from_json(cls, value: Any, where: str) -> LossTree:
        """The checked tree.

        Raises:
            InputError: it is none; `where` names what was read.
        """
        if not isinstance(value, Mapping) or not isinstance(value.get("both", False), bool):
            raise _damaged(where, "it lacks the tree")
        facts = value.get("facts", {})
        root = _checked(value.get("tree"), where, 1)
        if sum(1 for _ in nodes(root)) > MAX_NODES:
            raise _damaged(where, f"its tree has more than {MAX_NODES} nodes")
        return cls(root, value.get("both", False), facts if isinstance(facts, Mapping) else {})


def nodes(root: Node) -> Iterator[Node]:
    """Every node of a tree, a parent before its children."""
    yield root
    if isinstance(root, tuple):
        for child in root[1:]:
            yield from nodes(child)


def depth(root: Node) -> int:
    """Number of nodes on the longest way from the root to a leaf."""
    return 1 + max(depth(child) for child in root[1:]) if isinstance(root, tuple) else 1


def formula(root: Node) -> str:
    """The tree as text, for instance `log(p) - (y / p)`."""
    text = _text(root)
    return text[1:-1] if isinstance(root, tuple) and root[0] in _SIGNS else text


def _text(node: Node) -> str:
    if not isinstance(node, tuple):
        return node if isinstance(node, str) else f"{node:.6g}"
    inner = [_text(child) for child in node[1:]]
    if node[0] in _SIGNS:
        return f"({inner[0]} {_SIGNS[node[0]]} {inner[1]})"
    text = formula(node[1])
    return f"({text})^2" if node[0] == "square" else f"{'sqrt' if node[0] == 'root' else node[0]}({text})"


def _plain(node: Node) -> Any:
    return [node[0], *(_plain(child) for child in node[1:])] if isinstance(node, tuple) else node


def _checked(node: Any, where: str, level: int) -> Node:
    if level > MAX_DEPTH:
        raise _damaged(where, f"its tree is more than {MAX_DEPTH} levels deep")
    if isinstance(node, str):
        if node not in (PREDICTION, TRUTH):
            raise _damaged(where, f"its tree holds {node[:40]!r}")
        return node
    if isinstance(node, int | float) and not isinstance(node, bool):
        if not abs(node) <= LARGEST:
            raise _damaged(where, f"its tree holds a number outside ±{LARGEST:g}")
        return float(node)
    if isinstance(node, list) and node and isinstance(node[0], str):
        wanted = 1 if node[0] in UNARY else 2 if node[0] in BINARY else None
        if wanted is None:
            raise _damaged(where, f"its tree holds the operation {node[0][:40]!r}")
        if len(node) == wanted + 1:
            return (node[0], *(_checked(child, where, level + 1) for child in node[1:]))
    raise _damaged(where, "a node of its tree is no leaf and no operation with its operands")


def _damaged(where: str, reason: str) -> InputError:
    return InputError(f"{where} is no loss tree: {reason}.", "Restore it from a copy or search for a loss anew.")


_LOG = ("log", PREDICTION)

TREES: Mapping[str, LossTree] = MappingProxyType(
    {
        # Gonzalez & Miikkulainen, CEC 2020: -(log p - y / p), summed over the classes.
        "baikal": LossTree(("subtract", ("divide", TRUTH, PREDICTION), _LOG), both=True),
        "cross_entropy": LossTree(("subtract", 0.0, ("multiply", TRUTH, _LOG)), both=True),
    }
)
"""The kept trees by name."""
