"""Made-up volumes with known truth, for demonstrations and for every test that needs it."""

from lossseg.phantoms.ct import chest_ct
from lossseg.phantoms.phantom import Phantom
from lossseg.phantoms.tof import tof_mra
from lossseg.phantoms.ultrasound import muscle_ultrasound
from lossseg.phantoms.writing import KINDS, make_dataset

__all__ = ["KINDS", "Phantom", "chest_ct", "make_dataset", "muscle_ultrasound", "tof_mra"]
