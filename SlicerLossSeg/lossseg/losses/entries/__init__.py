"""The entries of the catalogue, one file for each kind of term."""

from __future__ import annotations

from types import MappingProxyType

from lossseg.losses.catalogue import Catalogue
from lossseg.losses.entries import (
    adaptive,
    boundary,
    distribution,
    instance,
    learnable,
    learned,
    presets,
    region,
    topology,
)

GROUPS = (distribution, region, learnable, boundary, instance, topology, adaptive, learned, presets)

CATALOGUE: Catalogue = MappingProxyType({entry.name: entry for group in GROUPS for entry in group.ENTRIES})
