"""The time as the study's records write it: UTC, to the second."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


def iso(moment: datetime) -> str:
    """ "2026-03-01T14:05:09Z"."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def in_file_name(moment: datetime) -> str:
    """ "20260301-140509", which sorts by time and is a file name everywhere."""
    return moment.astimezone(UTC).strftime("%Y%m%d-%H%M%S")
