"""Holds: versions are kept out of staging and production, one by one or with all that is downstream of something."""

from registry.services.holds import placing, recall
from registry.services.holds.refusals import ask, of, refuse, refuse_asked, refuse_noticed

__all__ = ["ask", "of", "placing", "recall", "refuse", "refuse_asked", "refuse_noticed"]
