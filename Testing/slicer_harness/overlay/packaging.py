"""slicer.packaging: checks like Slicer 5.12 and never installs; a test replaces pip_install to see a set-up through."""

import importlib.metadata
import logging
from pathlib import Path

import slicer
from packaging.requirements import InvalidRequirement, Requirement


def load_requirements(path: str | Path) -> list[Requirement]:
    """One requirement per line; comments have lines of their own, lines of pip's options are left out."""
    lines = [line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines()]
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-"))]


def _requirements(given) -> list[Requirement]:
    if isinstance(given, str):
        try:
            return [Requirement(given)]
        except InvalidRequirement:
            return [Requirement(part) for part in given.split()]
    if isinstance(given, Requirement):
        return [given]
    if isinstance(given, list):
        return [Requirement(part) if isinstance(part, str) else part for part in given]
    raise TypeError(f"Expected str, Requirement, or list, got {type(given).__name__}")


def pip_check(req) -> bool:
    """Whether every requirement is installed in an accepted version; extras are not looked into."""
    return all(_is_installed(requirement) for requirement in _requirements(req))


def _is_installed(requirement: Requirement) -> bool:
    if requirement.marker is not None and not requirement.marker.evaluate():
        return True
    try:
        return importlib.metadata.version(requirement.name) in requirement.specifier
    except importlib.metadata.PackageNotFoundError:
        return False


def pip_ensure(
    requirements,
    constraints=None,
    skip_packages=None,
    prompt_install=True,
    prompt_restart=True,
    requester=None,
    skip_in_testing=True,
    show_progress=True,
):
    """Asks, then calls pip_install with what is missing; RuntimeError when the answer is no."""
    missing = [str(requirement) for requirement in _requirements(requirements) if not _is_installed(requirement)]
    if not missing:
        return None
    if skip_in_testing and slicer.app.testingEnabled():
        logging.info("Testing mode is enabled: skipping pip_ensure for %s", missing)
        return None
    if prompt_install:
        text = f"{len(missing)} Python packages need to be installed. Continue?"
        if not slicer.util.confirmOkCancelDisplay(text, requester, detailedText="\n".join(missing)):
            raise RuntimeError("User declined package installation")
    return pip_install(
        missing,
        constraints=constraints,
        skip_packages=skip_packages,
        blocking=True,
        show_progress=show_progress,
        requester=requester,
    )


def pip_install(
    requirements,
    constraints=None,
    no_deps_requirements=None,
    skip_packages=None,
    blocking=True,
    show_progress=True,
    requester=None,
    parent=None,
    logCallback=None,
    completedCallback=None,
):
    raise RuntimeError(f"the harness installs nothing, asked for {requirements}")


def pip_uninstall(requirements, blocking=True, logCallback=None, completedCallback=None):
    raise RuntimeError(f"the harness uninstalls nothing, asked for {requirements}")


def isPipInstallInProgress() -> bool:
    return False
