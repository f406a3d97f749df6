"""Connected components of a 3D mask, found on its foreground only.

A lesion mask is almost all background, so a mask is walked once, eight bytes at a time, to list its foreground voxels;
these are gathered into runs along x, and runs that touch are joined. The cost follows the foreground, not the volume.
A mask that is dense is left to cc3d, whose cost follows the volume.
"""

from lossseg.components.found import Components
from lossseg.components.labelling import find, group, label, remove_small, sizes
from lossseg.components.listing import foreground, places

__all__ = ["Components", "find", "foreground", "group", "label", "places", "remove_small", "sizes"]
