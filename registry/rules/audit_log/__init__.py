"""The sealed audit log: its formats, its proofs, and the verification that needs no server and no trust in one.

    tree           RFC 6962 hashes, roots, and the compact range that grows with the log
    proofs         inclusion and consistency proofs, made and verified
    tiles          C2SP tiles and bundles of entries
    notes          signed notes and their Ed25519 keys; checkpoints: origin, size and root of a log
    tlog_proof     the proof of one entry as a text
    entries        an entry's bytes and hashes; chains: the walk over the entries of one model; actions: their names
    verification   a whole log, or a selection of its entries, against a checkpoint; reports: the result
    state          what a verifier keeps between two runs
    files          a directory or an archive with entries and a checkpoint; archive: the same bytes for the same files

The sealer, the API, the command line and an auditor use this one copy. The package imports the standard library and
``cryptography``. Its imports are relative, so that a copy of the directory works without the rest:
``python -m audit_log --key KEY evidence.zip``. The formats are described in ``deploy/docs/audit-log-format.md``.
"""
