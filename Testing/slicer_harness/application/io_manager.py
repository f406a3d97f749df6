"""qSlicerCoreIOManager as far as slicer.util's load and save functions ask it, on the real logics and storage nodes."""

from pathlib import Path

import slicer
import vtk

EXTENSIONS = {
    "VolumeFile": (".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd", ".tif", ".tiff"),
    "SegmentationFile": (".seg.nrrd", ".seg.nhdr"),
    "TableFile": (".csv", ".tsv"),
    "ModelFile": (".vtk", ".vtp", ".stl", ".ply", ".obj"),
    "MarkupsFile": (".mrk.json", ".fcsv"),
    "TextFile": (".txt", ".json"),
    "SceneFile": (".mrml", ".mrb"),
}


class IOManager:
    def fileType(self, path: str) -> str:
        """The type with the longest fitting extension, "NoFile" for none."""
        fitting = [(len(e), kind) for kind, known in EXTENSIONS.items() for e in known if str(path).lower().endswith(e)]
        return max(fitting)[1] if fitting else "NoFile"

    def extractKnownExtension(self, path: str, node=None) -> str:
        name = str(path).lower()
        fitting = [e for known in EXTENSIONS.values() for e in known if name.endswith(e)]
        return max(fitting, key=len, default="." + name.rpartition(".")[2])

    def fileWriterFileType(self, node) -> str:
        return node.GetClassName().removeprefix("vtkMRML").removesuffix("Node") + "File"

    def registeredFileReaderCount(self, kind: str) -> int:
        return int(kind in EXTENSIONS)

    def loadNodes(self, kind: str, properties: dict, collection, messages=None) -> bool:
        path = properties["fileName"]
        if not Path(path).exists():
            if messages:
                messages.AddMessage(vtk.vtkCommand.ErrorEvent, f"no such file: {path}")
            return False
        if kind == "SceneFile":
            return self._load_scene(path, bool(properties.get("clear", False)), messages)
        node = self._load_node(kind, path, properties)
        if node is not None:
            collection.AddItem(node)
        return node is not None

    def _load_scene(self, path: str, clear: bool, messages) -> bool:
        scene = slicer.mrmlScene
        if path.lower().endswith(".mrb"):
            return bool(scene.ReadFromMRB(path, clear, messages))
        scene.SetURL(path)
        return bool(scene.Connect(messages) if clear else scene.Import(messages))

    def _load_node(self, kind: str, path: str, properties: dict):
        modules, name = slicer.modules, properties.get("name")
        stem = name or slicer.mrmlScene.GenerateUniqueName(Path(path).name.partition(".")[0])
        if kind == "VolumeFile":
            return modules.volumes.logic().AddArchetypeVolume(path, stem, 1 if properties.get("labelmap") else 0)
        if kind == "SegmentationFile":
            node = modules.segmentations.logic().LoadSegmentationFromFile(path)
            if node is not None and name:
                node.SetName(name)
            return node
        if kind == "TableFile":
            return modules.tables.logic().AddTable(path, stem)
        if kind == "ModelFile":
            return modules.models.logic().AddModel(path)
        if kind == "MarkupsFile":
            return slicer.mrmlScene.GetNodeByID(modules.markups.logic().LoadMarkups(path, stem))
        raise NotImplementedError(f"the harness does not read files of type {kind}")

    def saveNodes(self, kind: str, properties: dict, messages=None) -> bool:
        path, scene = properties["fileName"], slicer.mrmlScene
        if kind == "SceneFile":
            scene.SetURL(path)
            written = scene.WriteToMRB(path, None, messages) if path.endswith(".mrb") else scene.Commit(path, messages)
            return bool(written)
        node = scene.GetNodeByID(properties["nodeID"])
        node.AddDefaultStorageNode(path)
        storage = node.GetStorageNode()
        storage.SetFileName(path)
        storage.SetUseCompression(properties.get("useCompression", 1))
        return bool(storage.WriteData(node))
