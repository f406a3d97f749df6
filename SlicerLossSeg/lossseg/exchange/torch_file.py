"""Files of torch.save, of which nothing is executed."""

from __future__ import annotations

import pickle
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lossseg.errors import InputError


def read_torch_file(path: Path, remedy: str, allowed: Sequence[Any] = ()) -> Any:
    """Tensors, numbers and words of a file, on the CPU.

    Args:
        remedy: what to do about a file that holds anything else.
        allowed: further objects, as `torch.serialization.safe_globals` takes them.

    Raises:
        InputError: the file is damaged or holds anything else.
    """
    import torch

    try:
        with torch.serialization.safe_globals(list(allowed)):
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist.", "Check the path.") from error
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL (\S+)|class (\S+)|function (\S+)", str(error))
        what = f" ({next(filter(None, named.groups()))})" if named else ""
        raise InputError(
            f"{path} holds objects other than tensors, numbers and words{what}; it was not loaded.",
            f"Such a file could execute anything. {remedy}",
        ) from error
    except (RuntimeError, OSError, EOFError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        reason = (str(error) or repr(error)).splitlines()[0]
        raise InputError(f"{path} is damaged ({reason}).", "Restore it from a copy.") from error
