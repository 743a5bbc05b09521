"""Generated examples have no deadline: on a busy machine it would fail a rule that holds."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("rules", deadline=None)
settings.load_profile("rules")
