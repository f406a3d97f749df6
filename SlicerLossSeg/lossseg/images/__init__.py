"""Reading and writing volumes: geometry, file formats and clear errors for what is no usable image."""

from lossseg.images.formats import IMAGE_ENDINGS, case_name, image_ending
from lossseg.images.geometry import Geometry, Volume
from lossseg.images.reading import read_label, read_volume
from lossseg.images.resampling import resample_to
from lossseg.images.writing import write_volume

__all__ = [
    "IMAGE_ENDINGS",
    "Geometry",
    "Volume",
    "case_name",
    "image_ending",
    "read_label",
    "read_volume",
    "resample_to",
    "write_volume",
]
