"""One volume selector for each channel that the chosen models need."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import qt
import slicer
import vtk
from slicer.i18n import tr as _

from SlicerLossSegLib.case_list import loaded_cases
from SlicerLossSegLib.parameters import CHANNEL_FIELDS, Parameters


class ChannelSelectors:
    """Rows of a form, as many as there are channels.

    The first ones are in the Designer file and connected to fields of the parameters. Further ones are made when a
    model needs them; what is chosen there is kept as node references of the parameter node, under the same roles as the
    fields would have.

    Args:
        ui: the widgets by name, with `channelForm` and the first selectors.
        on_change: called when another volume is chosen.
    """

    def __init__(self, ui: Any, on_change: Callable[[], None]) -> None:
        self._form, self._on_change = ui.channelForm, on_change
        self._names: tuple[str, ...] = ()
        self._node: Any = None
        self._observer = 0
        self._rows = [
            (getattr(ui, f"channel{n}Label"), getattr(ui, f"channel{n}Selector")) for n in range(1, CHANNEL_FIELDS + 1)
        ]
        for _label, selector in self._rows:
            selector.connect("currentNodeChanged(vtkMRMLNode*)", self._chosen)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the channels; empty while no model is ticked: then one volume can be chosen all the same."""
        return self._names

    @property
    def volumes(self) -> tuple[Any, ...]:
        """The chosen volumes, one per channel, None where none is chosen."""
        return tuple(selector.currentNode() for _label, selector in self._rows[: self._count])

    def choose(self, place: int, volume: Any) -> None:
        """Choose a volume for a channel, counted from 0."""
        self._rows[place][1].setCurrentNode(volume)

    def show(self, names: Sequence[str]) -> None:
        """Offer a selector for each of these channels."""
        self._names = tuple(names)
        while len(self._rows) < self._count:
            self._rows.append(self._make(len(self._rows) + 1))
        for place, (label, selector) in enumerate(self._rows):
            label.visible = selector.visible = place < self._count
            label.text = f"{names[place]}:" if place < len(names) else _("Volume:")
            wanted = _("The volume for the channel {name}.").format(name=names[place]) if place < len(names) else ""
            selector.toolTip = wanted or _("The volume to segment.")

    def prefill(self) -> None:
        """Choose a volume for each channel that has none: by name, and for a single channel the one that is shown."""
        nodes = [volume for case in loaded_cases(1) for volume in case.volumes]
        nodes = _shown(nodes) + [node for node in nodes if node not in _shown(nodes)]
        taken = [volume for volume in self.volumes if volume is not None]
        free = [node for node in nodes if node not in taken]
        empty = [place for place, volume in enumerate(self.volumes) if volume is None]
        names = [node.GetName() for node in free]
        for place, chosen in match(self._names, empty, names).items():
            self._rows[place][1].setCurrentNode(free[chosen])
        if self._count == 1 and self.volumes[0] is None and free:
            self._rows[0][1].setCurrentNode(free[0])

    def set_parameters(self, parameters: Parameters | None) -> None:
        """Read further channels from other parameters, and keep them there; None takes the parameters away."""
        if self._node is not None:
            self._node.RemoveObserver(self._observer)
        self._node = parameters.parameterNode if parameters is not None else None
        if self._node is not None:
            self._observer = self._node.AddObserver(vtk.vtkCommand.ModifiedEvent, self._read)
            self._read()

    def release(self) -> None:
        """A qMRML widget that keeps the scene crashes Slicer at its end."""
        self.set_parameters(None)
        for _label, selector in self._rows[CHANNEL_FIELDS:]:
            selector.setMRMLScene(None)

    @property
    def _count(self) -> int:
        return max(1, len(self._names))

    def _make(self, number: int) -> tuple[Any, Any]:
        label, selector = qt.QLabel(), slicer.qMRMLNodeComboBox()
        selector.nodeTypes = ["vtkMRMLScalarVolumeNode"]
        selector.hideChildNodeTypes = ["vtkMRMLLabelMapVolumeNode"]
        selector.noneEnabled = True
        selector.addEnabled = selector.removeEnabled = False
        selector.noneDisplay = _("Select a volume")
        selector.setMRMLScene(slicer.mrmlScene)
        self._form.addRow(label, selector)
        qt.QWidget.setTabOrder(_takes_keys(self._rows[-1][1]), _takes_keys(selector))
        if self._node is not None:
            selector.setCurrentNode(self._node.GetNodeReference(_role(number)))
        selector.connect("currentNodeChanged(vtkMRMLNode*)", lambda node: self._keep(number, node))
        return label, selector

    def _keep(self, number: int, node: Any) -> None:
        if self._node is not None:
            self._node.SetNodeReferenceID(_role(number), node.GetID() if node is not None else None)
        self._on_change()

    def _read(self, caller: Any = None, event: str = "") -> None:
        for number, (_label, selector) in enumerate(self._rows[CHANNEL_FIELDS:], start=CHANNEL_FIELDS + 1):
            wanted = self._node.GetNodeReference(_role(number))
            if wanted is not selector.currentNode():
                selector.setCurrentNode(wanted)

    def _chosen(self, node: Any = None) -> None:
        self._on_change()


def match(channels: Sequence[str], places: Sequence[int], names: Sequence[str]) -> dict[int, int]:
    """Which volume is which channel, by their names.

    A volume fits best when a word of its name is the channel's, then when it ends in the channel's number as nnU-Net
    writes it (_0000), then when its name holds the channel's somewhere. No volume is taken twice.

    Args:
        channels: names of all channels.
        places: of the channels that want a volume.
        names: of the volumes.

    Returns:
        Place of the channel to place of the volume; channels that none fits are left out.
    """
    fits = [
        (_fit(channels[place], place, name), place, number)
        for place in places
        if place < len(channels)
        for number, name in enumerate(names)
    ]
    chosen: dict[int, int] = {}
    for fit, place, number in sorted(fits, key=lambda one: (-one[0], one[1], one[2])):
        if fit and place not in chosen and number not in chosen.values():
            chosen[place] = number
    return chosen


def _fit(channel: str, place: int, name: str) -> int:
    wanted, words = _words(channel), _words(name)
    if wanted and set(wanted) <= set(words):
        return 3
    if re.search(rf"_{place:04d}$", name):
        return 2
    return int(bool(wanted) and "".join(wanted) in "".join(words))


def _words(name: str) -> list[str]:
    return re.findall(r"[^\W_]+", name.lower())


def _takes_keys(selector: Any) -> Any:
    """What the keyboard goes to: the box within the selector."""
    return selector.findChild("QComboBox") or selector


def _role(number: int) -> str:
    return f"channel{number}"


def _shown(nodes: list[Any]) -> list[Any]:
    """Those of the nodes that are in a slice view."""
    composites = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    ids = {composite.GetBackgroundVolumeID() for composite in composites}
    return [node for node in nodes if node.GetID() in ids]
