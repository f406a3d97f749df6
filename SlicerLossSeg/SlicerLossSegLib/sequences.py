"""Results of a sequence: a sequence of segmentations that plays together with its volumes."""

from __future__ import annotations

from typing import Any

import slicer

from SlicerLossSegLib import segmentation_io
from SlicerLossSegLib.assessment import Assessment

_OF = "LossSeg.volumes"


def add_item(volumes: Any, index_value: str, name: str, seen: Assessment) -> Any:
    """Put the lesions of one item into the sequence of segmentations that belongs to a sequence of volumes.

    Returns:
        The sequence of segmentations; it is made, and synchronized with the volumes, when it does not exist.
    """
    segmentations = _segmentations_of(volumes)
    node = segmentation_io.add_segmentation(name, None)
    segmentation_io.fill(node, seen.lesions, seen.segments, seen.grid)
    segmentations.SetDataNodeAtValue(node, index_value)
    slicer.mrmlScene.RemoveNode(node.GetDisplayNode())
    slicer.mrmlScene.RemoveNode(node)
    browser = slicer.modules.sequences.logic().GetFirstBrowserNodeForSequenceNode(segmentations)
    if browser is not None:
        slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(browser)
        proxy = browser.GetProxyNode(segmentations)
        if proxy is not None:
            segmentation_io.show_outlines(proxy)
    return segmentations


def _segmentations_of(volumes: Any) -> Any:
    scene = slicer.mrmlScene
    for node in slicer.util.getNodesByClass("vtkMRMLSequenceNode"):
        if node.GetNodeReference(_OF) is volumes:
            return node
    made = scene.AddNewNodeByClass("vtkMRMLSequenceNode", scene.GenerateUniqueName(f"{volumes.GetName()} lesions"))
    for copy in ("IndexName", "IndexUnit"):
        getattr(made, f"Set{copy}")(getattr(volumes, f"Get{copy}")())
    made.SetIndexType(volumes.GetIndexType())
    made.SetNodeReferenceID(_OF, volumes.GetID())
    browser = slicer.modules.sequences.logic().GetFirstBrowserNodeForSequenceNode(volumes)
    if browser is not None:
        browser.AddSynchronizedSequenceNode(made)
    return made
