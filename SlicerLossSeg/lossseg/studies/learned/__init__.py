"""Searching for a loss: GLO, TaylorGLO, ML3, and the adaptation of a known loss to a validation measure."""

from lossseg.studies.learned.search import Method, SearchSettings, learn_loss

__all__ = ["Method", "SearchSettings", "learn_loss"]
