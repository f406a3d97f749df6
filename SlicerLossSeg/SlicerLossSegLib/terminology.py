"""What a label is in the standard's words: terminology entry and colour for segments, chosen by the label's name."""

from __future__ import annotations

import colorsys
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import slicer

TERMS_FILE = Path(__file__).resolve().parents[1] / "Resources" / "SegmentationCategoryTypeModifier-LossSeg.term.json"
_ANATOMY = "Anatomic codes - DICOM master list"
_OTHERS = "lesion"
"""The term for every label that no other one fits."""


@dataclass(frozen=True)
class Term:
    """A type of segment in one of Slicer's terminology contexts.

    Attributes:
        category, type: coding scheme, value and meaning.
        color: recommended, each from 0 to 1.
        words: a label whose name holds one of these is of this type.
    """

    context: str
    category: tuple[str, str, str]
    type: tuple[str, str, str]
    color: tuple[float, float, float]
    words: tuple[str, ...]

    @property
    def entry(self) -> str:
        """The text that Slicer keeps in a segment's terminology tag."""
        return "~".join((self.context, "^".join(self.category), "^".join(self.type), "^^", _ANATOMY, "^^", "^^"))


@cache
def terms() -> tuple[Term, ...]:
    """The terms of the file that Slicer's terminology selector offers too."""
    record = json.loads(TERMS_FILE.read_text(encoding="utf-8"))
    context = record["SegmentationCategoryTypeContextName"]
    return tuple(
        Term(context, _code(category), _code(kind), _rgb(kind["recommendedDisplayRGBValue"]), tuple(kind["labelWords"]))
        for category in record["SegmentationCodes"]["Category"]
        for kind in category["Type"]
    )


def term_for(label: str) -> Term:
    """The term for a label by its name."""
    lowered = label.lower()
    fitting = [term for term in terms() if any(word in lowered for word in term.words)]
    return fitting[0] if fitting else next(term for term in terms() if _OTHERS in term.words)


def color_of(label: str, number: int) -> tuple[float, float, float]:
    """A label's colour, moved a little for its second, third, ... lesion so that neighbours can be told apart."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*term_for(label).color)
    step = number % 5 - 2
    return colorsys.hls_to_rgb((hue + 0.018 * step) % 1.0, min(lightness + 0.03 * abs(step), 0.9), saturation)


def load_terms() -> None:
    """Make the terms known to Slicer's terminology selector, once."""
    logic = slicer.modules.terminologies.logic()
    if not logic.IsTerminologyContextLoaded(terms()[0].context):
        logic.LoadTerminologyFromFile(str(TERMS_FILE))


def _code(record: dict[str, Any]) -> tuple[str, str, str]:
    return record["CodingSchemeDesignator"], record["CodeValue"], record["CodeMeaning"]


def _rgb(values: list[int]) -> tuple[float, float, float]:
    red, green, blue = (value / 255 for value in values)
    return red, green, blue
