"""The logics of Slicer's modules, from slicer-core, under the names that the application gives them."""

from pathlib import Path

import slicer
import vtk

# slicer.modules.<key> -> (name in the application logic, class), in the order in which they need one another
LOGICS = {
    "colors": ("Colors", "vtkMRMLColorLogic"),
    "volumes": ("Volumes", "vtkSlicerVolumesLogic"),
    "terminologies": ("Terminologies", "vtkSlicerTerminologiesModuleLogic"),
    "segmentations": ("Segmentations", "vtkSlicerSegmentationsModuleLogic"),
    "subjecthierarchy": ("SubjectHierarchy", "vtkSlicerSubjectHierarchyModuleLogic"),
    "tables": ("Tables", "vtkSlicerTablesLogic"),
    "plots": ("Plots", "vtkSlicerPlotsLogic"),
    "markups": ("Markups", "vtkSlicerMarkupsLogic"),
    "sequences": ("Sequences", "vtkSlicerSequencesLogic"),
    "models": ("Models", "vtkSlicerModelsLogic"),
    "texts": ("Texts", "vtkSlicerTextsLogic"),
    "cropvolume": ("CropVolume", "vtkSlicerCropVolumeLogic"),
    "transforms": ("Transforms", "vtkSlicerTransformLogic"),
    "cameras": ("Cameras", "vtkSlicerCamerasModuleLogic"),
    "data": ("Data", "vtkSlicerDataModuleLogic"),
    "units": ("Units", "vtkSlicerUnitsLogic"),
}


def make_logics(application_logic, scene, share: Path) -> dict[str, tuple[str, object]]:
    """Key in slicer.modules -> (module name, logic); each is registered in the application logic."""
    made = {}
    for key, (name, class_name) in LOGICS.items():
        logic = getattr(slicer, class_name)()
        if hasattr(logic, "SetModuleShareDirectory"):
            logic.SetModuleShareDirectory(str(share / name))
        if hasattr(logic, "SetMRMLApplicationLogic"):
            logic.SetMRMLApplicationLogic(application_logic)
        if name == "Terminologies":  # its three default json files are not in slicer-core
            vtk.vtkObject.GlobalWarningDisplayOff()
        logic.SetMRMLScene(scene)
        vtk.vtkObject.GlobalWarningDisplayOn()
        if name == "Colors":
            logic.AddDefaultColorNodes()
        application_logic.SetModuleLogic(name, logic)
        made[key] = (name, logic)
    return made
