"""Profiles: the clauses of four texts, and the recorded facts that concern each. None is legal advice."""

from __future__ import annotations

from registry.domain.evidence.profiles import eu_ai_act_annex_iv, iso_42001, nist_ai_rmf, sr_26_2
from registry.domain.evidence.profiles.clause import Profile, ProfileClause

__all__ = ["PROFILES", "Profile", "ProfileClause"]

PROFILES = {
    profile.name: profile
    for profile in (eu_ai_act_annex_iv.PROFILE, iso_42001.PROFILE, nist_ai_rmf.PROFILE, sr_26_2.PROFILE)
}
