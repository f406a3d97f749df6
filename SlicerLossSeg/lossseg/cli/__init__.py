"""The command line `lossseg`: thin, on top of the job protocol."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Entry point of the command `lossseg`; ends the process with the command's exit code."""
    from lossseg.cli.app import make_app

    make_app()(prog_name="lossseg")
