"""The formulas of the catalogue as rich text for a label: Greek letters, sums, indices and exponents."""

from __future__ import annotations

import html
import re
import unicodedata

_GREEK = {
    name: unicodedata.lookup(f"GREEK SMALL LETTER {name.upper()}")
    for name in ("alpha", "beta", "gamma", "delta", "kappa", "phi", "sigma")
}
_WORD = re.compile(r"(?<![A-Za-z])(" + "|".join(_GREEK) + r")(?![A-Za-z=])")
_SUM = re.compile(r"(?<![A-Za-z])(?:sum(?=_)|S(?=\(|_[a-z]))")
_POWER = re.compile(r"\^(\([^()]*\)|[^\W_]+(?:_[A-Za-z0-9]+)?)")
_INDEX = re.compile(r"(?<=[^\W\d_])(?<!one)_(\([^()]*\)|[A-Za-z0-9]+(?:,[a-z](?![A-Za-z]))?)")
_MINUS = re.compile(r"(?<![A-Za-z0-9])-(?=[A-Za-z(\d])|(?<=[\d)])-(?=[A-Za-z\d])| - ")


def rich(formula: str) -> str:
    """A formula of a catalogue entry as rich text; S() and sum become Σ, `_` an index, `^` an exponent.

    >>> rich("1 - S(p^2) / w_c")
    '1 − Σ(p<sup>2</sup>) / w<sub>c</sub>'
    """
    text = html.escape(formula, quote=False)
    text = _MINUS.sub(lambda found: " − " if found.group() == " - " else "−", text)
    text = _SUM.sub("Σ", text)
    text = _WORD.sub(lambda found: _GREEK[found.group()], text)
    text = _POWER.sub(lambda found: f"<sup>{_bare(found.group(1))}</sup>", text)
    return _INDEX.sub(lambda found: f"<sub>{_bare(found.group(1))}</sub>", text)


def _bare(text: str) -> str:
    return text[1:-1] if text.startswith("(") else text
