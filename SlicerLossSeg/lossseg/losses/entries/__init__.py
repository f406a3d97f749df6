"""The entries of the catalogue, one file for each kind of term."""

from __future__ import annotations

from types import MappingProxyType

from lossseg.losses.catalogue import Catalogue
from lossseg.losses.entries import distribution, instance, presets, region

CATALOGUE: Catalogue = MappingProxyType(
    {entry.name: entry for group in (distribution, region, instance, presets) for entry in group.ENTRIES}
)
