"""The parts that a MONAI bundle's configuration is made of: what is to be called, by name, with which arguments."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lossseg.errors import InputError
from lossseg.exchange.monai_values import Values

_DICTIONARY = re.compile(r"(?<=[a-z0-9])(d|D|Dict)$")
_OWN_KEYS = ("_target_", "_desc_", "_disabled_")
_FLOATS = re.compile(r"\$?((torch|np|numpy)\.)?(float|float32|float64)")


@dataclass(frozen=True)
class Component:
    """Something of MONAI's that a configuration names by `_target_`.

    Attributes:
        name: the class without its module; of a dictionary transform that of the plain one: LoadImaged is LoadImage.
        target: as the file has it.
        arguments: as the file has them.
        key: where it stands in the file.
    """

    name: str
    target: str
    arguments: Mapping[str, Any]
    key: str
    values: Values

    def constant(self, argument: str, default: Any = None) -> Any:
        """The value of an argument, `default` where it is not given.

        Raises:
            InputError: something would have to be executed.
        """
        if argument not in self.arguments:
            return default
        return self.values.constant(self.arguments[argument], f"{self.key}#{argument}")

    def entries(self) -> list[str]:
        """The entries that a dictionary transform is for."""
        keys = self.constant("keys", [])
        return [str(key) for key in keys] if isinstance(keys, list) else [str(keys)]

    def number(self, argument: str, default: float | None = None) -> float:
        """The number that an argument is.

        Raises:
            InputError: it is none, or it is missing and has no default.
        """
        value = self.constant(argument, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self.refused(argument, value, "A number is needed there.")
        return float(value)

    def maybe(self, argument: str, default: float | None = None) -> float | None:
        """As `number`, where nothing (null) is allowed too."""
        return None if self.constant(argument, default) is None else self.number(argument, default)

    def flag(self, argument: str, default: bool = False) -> bool:
        """The true or false that an argument is.

        Raises:
            InputError: it is neither.
        """
        value = self.constant(argument, default)
        if not isinstance(value, bool):
            raise self.refused(argument, value, "true or false is needed there.")
        return value

    def check(
        self, read: Iterable[str] = (), without_effect: Iterable[str] = (), fixed: Mapping[str, tuple[Any, ...]] = {}
    ) -> None:
        """Raises InputError unless all arguments are known.

        Args:
            read: those that are made use of.
            without_effect: those that may say anything.
            fixed: those that may have these values only.
        """
        for argument, value in self.arguments.items():
            if argument in fixed:
                found = self.constant(argument)
                if not any(found == allowed and type(found) is type(allowed) for allowed in fixed[argument]):
                    listed = " or ".join(repr(allowed) for allowed in fixed[argument])
                    raise self.refused(argument, found, f"Supported is {listed}.")
            elif argument == "dtype":
                if value is not None and not (isinstance(value, str) and _FLOATS.fullmatch(value)):
                    raise self.refused(argument, value, "Supported is float32.")
            elif argument not in (*read, *without_effect):
                raise InputError(
                    f"{self.values.path}: the argument {argument} of {self.target} ({self.key}) is not supported.",
                    f"Supported: {', '.join(sorted({*read, *fixed}))}.",
                )

    def refused(self, argument: str, value: Any, hint: str) -> InputError:
        """The error for a value that cannot be used."""
        return InputError(f"{self.values.path}: {argument} of {self.target} ({self.key}) is {value!r}.", hint)


def component(values: Values, node: Any, key: str) -> Component | None:
    """What `node`, which `key` holds, names by `_target_`; None where it is switched off.

    Raises:
        InputError: it names nothing, or nothing of MONAI's.
    """
    node = values.followed(node, key)
    if not isinstance(node, Mapping) or not isinstance(node.get("_target_"), str):
        raise InputError(
            f"{values.path}: {key} names no class of MONAI's (`_target_`).", "Import a bundle whose parts are MONAI's."
        )
    target = str(node["_target_"])
    module, _, name = target.rpartition(".")
    if module and module.partition(".")[0] != "monai":
        raise InputError(
            f"{values.path}: {key} is {target}, code that comes with the bundle and is not executed.",
            "Import a bundle whose parts are MONAI's.",
        )
    if "_disabled_" in node and values.constant(node["_disabled_"], f"{key}#_disabled_") in (True, "true", "True"):
        return None
    arguments = {argument: value for argument, value in node.items() if argument not in _OWN_KEYS}
    return Component(_DICTIONARY.sub("", name), target, arguments, key, values)


def chain(values: Values, key: str) -> Iterator[Component]:
    """The transforms that `key` holds, a list or a Compose of them, in their order.

    Raises:
        InputError: there is no such key, or something that is no transform.
    """
    node = values.raw(key)
    if isinstance(node, Mapping):
        whole = component(values, node, key)
        if whole is None:
            return
        if whole.name != "Compose":
            raise InputError(f"{values.path}: {key} is {whole.target}.", "It must be a Compose of transforms.")
        whole.check(("transforms",), ("map_items", "unpack_items", "log_stats", "lazy", "overrides"))
        node = values.followed(whole.arguments.get("transforms"), f"{key}#transforms")
        key = f"{key}#transforms"
    if not isinstance(node, list):
        raise InputError(f"{values.path}: {key} is no list of transforms.", "Write them as a list, in JSON.")
    for index, entry in enumerate(node):
        made = component(values, entry, f"{key}#{index}")
        if made is not None:
            yield made
