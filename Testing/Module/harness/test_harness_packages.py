"""slicer.packaging and SampleData."""

import pytest
import SampleData
import slicer
import slicer.packaging


def test_requirements_are_read_as_slicer_reads_them(tmp_path):
    path = tmp_path / "requirements.txt"
    path.write_text("# a comment\n--no-index\nnumpy>=1.0\n\nno-such-package-xyz\n")
    assert [str(line) for line in slicer.packaging.load_requirements(path)] == ["numpy>=1.0", "no-such-package-xyz"]
    assert slicer.packaging.pip_check("numpy>=1.0")
    assert not slicer.packaging.pip_check(["numpy>=1.0", "no-such-package-xyz"])
    with pytest.raises(TypeError):
        slicer.packaging.pip_check(("numpy",))
    path.write_text("numpy>=1.0  # Slicer does not cut comments off\n")
    with pytest.raises(ValueError):  # InvalidRequirement
        slicer.packaging.load_requirements(path)


def test_ensure_asks_then_installs_what_is_missing(monkeypatch):
    asked, installed = [], []
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda *text, **more: asked.append(text) or True)
    monkeypatch.setattr(slicer.packaging, "pip_install", lambda wanted, **more: installed.append(wanted))
    slicer.packaging.pip_ensure("numpy", skip_in_testing=False)
    assert (asked, installed) == ([], [])
    slicer.packaging.pip_ensure(["numpy", "no-such-package-xyz"])
    assert (asked, installed) == ([], [])
    slicer.packaging.pip_ensure(["numpy", "no-such-package-xyz"], skip_in_testing=False)
    assert (len(asked), installed) == (1, [["no-such-package-xyz"]])
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda *text, **more: False)
    with pytest.raises(RuntimeError, match="declined"):
        slicer.packaging.pip_ensure("no-such-package-xyz", skip_in_testing=False)


def test_nothing_is_ever_installed():
    with pytest.raises(RuntimeError, match="installs nothing"):
        slicer.packaging.pip_install("no-such-package-xyz")


def test_sample_data_with_a_downloader_of_its_own():
    logic = SampleData.SampleDataLogic()
    logic.registerCustomSampleDataSource(
        category="Harness",
        sampleName="One",
        uris=[""],
        fileNames=["x"],
        customDownloader=lambda source: source.sampleName,
    )
    source = logic.sampleDataSourcesByCategory("Harness")[0]
    assert logic.downloadFromSource(source) == "One"
    with pytest.raises(ValueError, match="same length"):
        logic.registerCustomSampleDataSource(sampleName="Two", uris=["a", "b"], fileNames=["x"])
