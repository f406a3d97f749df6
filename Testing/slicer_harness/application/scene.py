"""The scene with what the application gives it."""

from pathlib import Path

import slicer


def make_scene(folder: Path, cache: Path):
    """A scene that can be saved to and read from .mrb files; temporary files go into the two folders."""
    scene = slicer.vtkMRMLScene()
    slicer.mrmlScene = scene
    scene.SetRootDirectory(str(folder))
    cache_manager = slicer.vtkCacheManager()  # ReadFromMRB fails without
    cache_manager.SetRemoteCacheDirectory(str(cache))
    cache_manager.SetMRMLScene(scene)
    scene.SetCacheManager(cache_manager)
    io_manager = slicer.vtkDataIOManager()
    io_manager.SetCacheManager(cache_manager)
    scene.SetDataIOManager(io_manager)
    crosshair = slicer.vtkMRMLCrosshairNode()
    crosshair.SetCrosshairName("default")
    scene.AddNode(crosshair)
    return scene
