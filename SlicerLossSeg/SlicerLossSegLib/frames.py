"""Frames of sequences: the items that a sequence keeps, and the nodes (proxies) in which a browser shows one of them.

The items are the truth. A proxy changes with the browser, so whatever is read, measured or judged goes to the item;
what a person edits in the proxy is written back to the item, as sequences that save their changes do.
"""

from __future__ import annotations

from typing import Any

import slicer


def is_sequence(node: Any | None) -> bool:
    return node is not None and node.IsA("vtkMRMLSequenceNode")


def item(node: Any | None, value: str) -> Any | None:
    """The item of a sequence at an index value, None when it has none; any other node as it is."""
    return node.GetDataNodeAtValue(value) if is_sequence(node) else node


def shown(node: Any | None) -> Any | None:
    """The node in which the browser shows a sequence; any other node as it is."""
    if not is_sequence(node):
        return node
    browser = browser_of(node)
    return browser.GetProxyNode(node) if browser is not None else None


def sequence_of(node: Any | None) -> Any | None:
    """The sequence whose items a browser shows in this node; the node itself when there is none."""
    if node is None or is_sequence(node):
        return node
    found = (one.GetSequenceNode(node) for one in slicer.util.getNodesByClass("vtkMRMLSequenceBrowserNode"))
    return next((sequence for sequence in found if sequence is not None), node)


def browser_of(sequence: Any) -> Any | None:
    return slicer.modules.sequences.logic().GetFirstBrowserNodeForSequenceNode(sequence)


def browse(sequence: Any) -> Any:
    """The browser of a sequence; one is made where there is none."""
    browser = browser_of(sequence)
    if browser is None:
        scene = slicer.mrmlScene
        name = scene.GenerateUniqueName(f"{sequence.GetName()} browser")
        browser = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", name)
        browser.AddSynchronizedSequenceNode(sequence)
    return browser


def current_value(sequence: Any) -> str:
    """Index value of the item that the browser shows; empty where nothing is shown."""
    browser = browser_of(sequence)
    master = browser.GetMasterSequenceNode() if browser is not None else None
    place = browser.GetSelectedItemNumber() if master is not None else -1
    if not (master is not None and 0 <= place < master.GetNumberOfDataNodes()):
        return ""
    # The browser goes by the values of its master, which another sequence may write with other digits.
    own = sequence.GetItemNumberFromIndexValue(master.GetNthIndexValue(place), False)
    return str(sequence.GetNthIndexValue(own)) if own >= 0 else ""


def describe(sequence: Any, value: str) -> str:
    """Such as "2 / 30 (time 0.4 s)"."""
    place = sequence.GetItemNumberFromIndexValue(value)
    words = filter(None, (sequence.GetIndexName(), value, sequence.GetIndexUnit()))
    return f"{place + 1} / {sequence.GetNumberOfDataNodes()} ({' '.join(words)})"


def create_beside(volumes: Any, name: str) -> Any:
    """An empty sequence that plays together with the volumes of another one and keeps what is edited in its proxy."""
    scene = slicer.mrmlScene
    made = scene.AddNewNodeByClass("vtkMRMLSequenceNode", scene.GenerateUniqueName(name))
    made.SetIndexName(volumes.GetIndexName())
    made.SetIndexUnit(volumes.GetIndexUnit())
    made.SetIndexType(volumes.GetIndexType())
    browser = browse(volumes)
    browser.AddSynchronizedSequenceNode(made)
    browser.SetSaveChanges(made, True)
    # Otherwise a frame without a result would show, and keep, that of the frame before.
    browser.SetMissingItemMode(made, browser.MissingItemSetToDefault)
    return made


def put(sequence: Any, value: str, node: Any) -> Any:
    """Move a node out of the scene into a sequence; returns the item that it has become."""
    item = sequence.SetDataNodeAtValue(node, value)
    display = node.GetDisplayNode()
    if display is not None:
        slicer.mrmlScene.RemoveNode(display)
    slicer.mrmlScene.RemoveNode(node)
    show_again(sequence)
    return item or sequence.GetDataNodeAtValue(value)


def show_again(sequence: Any) -> None:
    """Bring the proxies up to date after an item was changed."""
    browser = browser_of(sequence)
    if browser is not None:
        slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(browser)
