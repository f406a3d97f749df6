"""The study's training set, without widgets: looking at it, adding from the scene, opening, replacing, removing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from lossseg.errors import InputError
from SlicerLossSegLib import case_changes, dataset_view, scene_case
from SlicerLossSegLib.dataset_view import DatasetView
from SlicerLossSegLib.scene_case import SceneCase
from SlicerLossSegLib.study import Study
from SlicerLossSegLib.worker import Workers

Done = Callable[[Any], None]
Failed = Callable[[Exception], None]


class CaseLogic:
    """What is done with the cases. Each step exists with callbacks, while Slicer stays alive, and most also blocking.

    Args:
        current_study: returns the study folder that is chosen now.
    """

    def __init__(self, current_study: Callable[[], Study]) -> None:
        self._current_study = current_study
        self._workers = Workers()

    @property
    def study(self) -> Study:
        return self._current_study()

    def view(self) -> DatasetView:
        """The cases of the study's dataset, with lesions and what the data look like. Waits.

        Raises:
            InputError: the dataset folder holds something else, or is damaged.
        """
        folder = self.study.folder
        return dataset_view.measure(folder, dataset_view.list_cases(folder), dataset_view.Progress())

    def start_listing(self, done: Done, failed: Failed) -> None:
        """List the cases beside the GUI thread; no voxel is read."""
        folder = self.study.folder
        self._workers.start(lambda: dataset_view.list_cases(folder), done, failed)

    def start_measuring(self, view: DatasetView, done: Done, failed: Failed) -> dataset_view.Progress:
        """Look at the voxels of the cases beside the GUI thread. What is returned tells how far that is."""
        folder, progress = self.study.folder, dataset_view.Progress()
        self._workers.start(lambda: dataset_view.measure(folder, view, progress), done, failed)
        return progress

    def add(
        self,
        volumes: Any,
        segmentation: Any,
        name: str = "",
        *,
        channels: Sequence[str] | None = None,
        labels: Mapping[str, int] | None = None,
        mapping: Mapping[str, int] | None = None,
        resample: bool = False,
    ) -> str:
        """Write volumes and a segmentation of the scene as a case of the study's dataset; nothing is trained. Waits.

        Args:
            volumes: a scalar volume node, or a list of them, one per channel.
            name: of the case; that of the first volume when empty.
            channels, labels: of a dataset to be made; an existing one has its own.
            mapping: segment id to label, 0 for none; segments that it lacks are mapped by terminology or name.
            resample: put everything on the grid of the first volume.

        Returns:
            The name of the case.

        Raises:
            InputError: something does not fit, in a sentence.
        """
        nodes = list(volumes) if isinstance(volumes, list | tuple) else [volumes]
        there = dataset_view.list_cases(self.study.folder)
        channels = there.channels or channels or ("image",)
        labels = there.labels or labels or scene_case.new_labels(segmentation)
        known = {one.segment_id: one.label for one in scene_case.segment_labels(segmentation, labels)}
        chosen = {key: value for key, value in {**known, **(mapping or {})}.items() if value is not None}
        case = scene_case.gather(name or nodes[0].GetName(), nodes, segmentation, channels, labels, chosen, resample)
        return write_case(case, self.study.folder)

    def start_adding(self, case: SceneCase, done: Done, failed: Failed) -> None:
        """As `add`, beside the GUI thread, with what `scene_case.gather` gave."""
        folder = self.study.folder
        self._workers.start(lambda: write_case(case, folder), done, failed)

    def start_opening(self, name: str, done: Done, failed: Failed) -> None:
        """Load a case into the scene; `done` gets its volume nodes and its segmentation node."""
        folder, view = self.study.folder, dataset_view.list_cases(self.study.folder)
        channels, labels = view.channels or (), view.labels or {}

        def read(found: Any) -> None:
            done(scene_case.open_case(name, folder / "dataset", channels, labels, found))

        self._workers.start(lambda: case_changes.read_case(folder, name), read, failed)

    def start_replacing(self, name: str, done: Done, failed: Failed) -> None:
        """Write the segmentation of an opened case back as its label; the former one is kept in the study's bin.

        Raises:
            InputError: the case was not opened, or a segment has no label.
        """
        folder = self.study.folder
        volumes, segmentation = scene_case.opened(name, self.study.dataset_folder)
        if not volumes or segmentation is None:
            raise InputError(_("The case {name} is not open.").format(name=name), _("Open it first."))
        view = dataset_view.list_cases(folder)
        assert view.labels is not None
        found = scene_case.segment_labels(segmentation, view.labels)
        mapping = {one.segment_id: one.label for one in found if one.label is not None}
        case = scene_case.gather(name, volumes[:1], segmentation, ("image",), view.labels, mapping, True)
        self._workers.start(lambda: case_changes.replace_label(folder, name, case.as_label()), done, failed)

    def remove(self, name: str) -> Path:
        """Move a case to the study's bin; returns the folder to bring it back from. Waits for no voxel."""
        return case_changes.remove(self.study.folder, name)

    def restore(self, binned: Path) -> str:
        """Bring a removed case back; returns its name."""
        return case_changes.restore(self.study.folder, binned)

    def mark_validation(self, names: Sequence[str]) -> None:
        """Hold out exactly these cases."""
        case_changes.mark_validation(self.study.folder, names)

    def drop(self) -> None:
        """Nobody waits for an answer any more: the scene or the module goes away."""
        self._workers.drop()


def write_case(case: SceneCase, folder: Path) -> str:
    """Write a case into a study's dataset and register it. Runs in a thread.

    Raises:
        InputError: the dataset has other channels or labels.
        DiskFull: no room; nothing half-written is left.
    """
    return case_changes.add(folder, case.write, case.volumes[0].name, corrected=False)
