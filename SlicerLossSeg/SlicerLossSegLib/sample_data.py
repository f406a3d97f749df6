"""A volume to try the module on, made by the engine: nothing is downloaded."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from lossseg.errors import InputError
from SlicerLossSegLib.jobs import Job, JobQueue, State
from SlicerLossSegLib.volumes import short_folder

CATEGORY = "Loss Segmentation"
NAME = "CT phantom with nodules"
_PARAMETERS = {"kind": "ct", "cases": 1, "size": [48, 96, 96], "seed": 4}
_NODE_NAME = "CTPhantom"


def register(thumbnail: Path) -> None:
    """Offer the phantom in the Sample Data module. Called when Slicer has started."""
    import SampleData

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category=CATEGORY,
        sampleName=NAME,
        # Slicer wants an address even where a function makes the data.
        uris=["lossseg:phantom"],
        fileNames=[f"{_NODE_NAME}.nii.gz"],
        nodeNames=[_NODE_NAME],
        thumbnailFileName=str(thumbnail),
        customDownloader=make_for_sample_data,
    )


def make_for_sample_data(source: Any) -> list[Any]:
    """What the Sample Data module calls: the phantom and its truth as nodes."""
    return list(load_sample())


def load_sample(queue: JobQueue | None = None) -> tuple[Any, Any]:
    """Make a phantom and wait for it.

    Returns:
        The volume node, and the segmentation node with the true nodules.

    Raises:
        InputError: the engine could not make it.
    """
    loop = qt.QEventLoop()
    ended: list[Job] = []

    def end(job: Job) -> None:
        ended.append(job)
        loop.quit()

    start_sample(queue or JobQueue(), end)
    if not ended:
        loop.exec_()
    job = ended[0]
    if job.state is not State.FINISHED:
        message = job.failure.message if job.failure else _("The sample was not made.")
        raise InputError(message, job.failure.hint if job.failure else "")
    return job.collected


def start_sample(queue: JobQueue, on_end: Callable[[Job], None]) -> Job:
    """As `load_sample`, without waiting: when the job is over its `collected` holds the two nodes."""
    folder = short_folder("sample")

    def ended(job: Job) -> None:
        if job.state is State.FINISHED:
            job.collected = _into_scene(Path(job.parameters["out"]))
        shutil.rmtree(folder, ignore_errors=True)
        on_end(job)

    return queue.add(Job("phantom", {**_PARAMETERS, "out": folder / "phantom"}, folder, on_end=ended))


def _into_scene(dataset: Path) -> tuple[Any, Any]:
    (image,) = sorted((dataset / "imagesTr").glob("*.nii.gz"))
    (label,) = sorted((dataset / "labelsTr").glob("*.nii.gz"))
    volume = slicer.util.loadVolume(str(image), {"name": _NODE_NAME})
    labels = slicer.util.loadLabelVolume(str(label), {"name": f"{_NODE_NAME} labels"})
    truth = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", f"{_NODE_NAME} truth")
    truth.CreateDefaultDisplayNodes()
    truth.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    slicer.modules.segmentations.logic().ImportLabelmapToSegmentationNode(labels, truth)
    slicer.mrmlScene.RemoveNode(labels)
    for segment_id in truth.GetSegmentation().GetSegmentIDs():
        truth.GetSegmentation().GetSegment(segment_id).SetName("nodule")
    truth.GetDisplayNode().SetVisibility(False)
    return volume, truth
