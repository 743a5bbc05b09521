"""Replay of the audit log: entries in, the state that every answer must agree with out.

``model`` replays the chain of one model, ``access`` that of tokens and accounts, ``storage`` that of stored bytes and
artifact paths. ``restorations`` replays the chain of the registry as a whole, ``checkpoints`` that of the heads of all
chains. All are pure: no database, no clock.
"""
