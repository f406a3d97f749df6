"""slicer.packaging, slicer.i18n, slicer.ScriptedLoadableModule, SampleData."""

import slicer

from probes.asking import TEMPORARY, probe


@probe
def packaging_pip_check():
    import slicer.packaging as p

    return [p.pip_check("numpy"), p.pip_check("no-such-package-xyz"), p.pip_check("numpy>99")]


@probe
def i18n():
    from slicer.i18n import tr as _
    from slicer.i18n import translate

    return [_("abc"), translate("C", "abc"), _("{n} lesions").format(n=3)]


@probe
def sampledata_register():
    import SampleData

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="LossSeg",
        sampleName="Painted",
        uris=[""],
        fileNames=["x.nrrd"],
        nodeNames=["X"],
        customDownloader=lambda s: "done",
        thumbnailFileName=str(TEMPORARY / "t.png"),
    )
    return [
        sorted(slicer.modules.sampleDataSources["LossSeg"][0].__dict__)[:4],
        slicer.modules.sampleDataSources["LossSeg"][0].sampleName,
    ]


@probe
def sampledata_download():
    import SampleData

    got = []
    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="LossSeg", sampleName="Painted2", customDownloader=lambda s: got.append(type(s).__name__)
    )
    logic = SampleData.SampleDataLogic()
    logic.logMessage = lambda *a, **k: None
    s = next(x for x in slicer.modules.sampleDataSources["LossSeg"] if x.sampleName == "Painted2")
    logic.downloadFromSource(s)
    return got


@probe
def slm_star():
    d = {}
    exec("from slicer.ScriptedLoadableModule import *", d)
    return sorted(k for k in d if not k.startswith("__"))
