"""Engine of SlicerLossSeg: losses, training, ensembles and lesion evaluation for small targets in large volumes.

Importing this package imports neither torch nor any room; import the room you need, such as `lossseg.evaluation`.
"""

__version__ = "0.1.0"
