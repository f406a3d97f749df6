"""The Slicer side: nodes and widgets. Nothing in it imports torch or monai; the engine does that in its own process."""
