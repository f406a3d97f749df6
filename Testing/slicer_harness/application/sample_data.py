"""SampleData: the registry, and custom downloaders; nothing is downloaded."""

import slicer


class SampleDataSource:
    """Fields of equal length, one entry per file; `uris` is needed even with a custom downloader, as in Slicer."""

    def __init__(
        self,
        sampleName=None,
        sampleDescription=None,
        uris=None,
        fileNames=None,
        nodeNames=None,
        checksums=None,
        loadFiles=None,
        customDownloader=None,
        thumbnailFileName=None,
        loadFileTypes=None,
        loadFileProperties=None,
        loadFileType=None,
    ):
        if loadFileType is not None and loadFileTypes is not None:
            raise ValueError("loadFileType and loadFileTypes cannot be specified at the same time")
        self.sampleName = sampleName
        self.sampleDescription = sampleName if sampleDescription is None else sampleDescription
        self.customDownloader, self.thumbnailFileName = customDownloader, thumbnailFileName
        self.loadFileProperties = loadFileProperties or {}
        per_file = {
            "uris": uris,
            "fileNames": fileNames,
            "nodeNames": nodeNames,
            "checksums": checksums,
            "loadFiles": loadFiles,
            "loadFileTypes": loadFileTypes if loadFileType is None else loadFileType,
        }
        if isinstance(uris, str):
            per_file = {name: [value] for name, value in per_file.items()}
        for name, value in per_file.items():
            if value is None and name not in ("uris", "fileNames"):
                per_file[name] = [None] * len(uris)
        vars(self).update(per_file)
        if len({len(value) for value in per_file.values()}) != 1:
            raise ValueError(f"All fields of sample data source must have the same length: {per_file}")


class SampleDataLogic:
    @staticmethod
    def registerCustomSampleDataSource(category="Custom", **fields) -> None:
        sources = vars(slicer.modules).setdefault("sampleDataSources", {})
        sources.setdefault(category, []).append(SampleDataSource(**fields))

    @staticmethod
    def sampleDataSourcesByCategory(category=None):
        sources = vars(slicer.modules).get("sampleDataSources", {})
        return sources if category is None else sources.get(category, [])

    def logMessage(self, message, *arguments, **keywords) -> None:
        """The panel of the Sample Data module shows it."""

    def downloadFromSource(self, source, **keywords):
        if source.customDownloader is None:
            raise RuntimeError("the harness downloads nothing")
        return source.customDownloader(source)
