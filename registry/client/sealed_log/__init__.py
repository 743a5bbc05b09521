"""Verification of a registry's sealed log over its API: the whole log (verification), or checkpoints only (witness).

Both need the role auditor and keep what they verified in a file, which the operator of the registry must not be able
to write. What is proved and how is in ``registry.rules.audit_log``.
"""
