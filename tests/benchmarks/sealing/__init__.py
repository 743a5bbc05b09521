"""What the sealed log costs: writes with and without it, the rate of sealing, proofs, and verification offline.

    python -m tests.benchmarks.sealing [--only writes rate proofs offline]

writes   The same registry twice, each with a worker, on one PostgreSQL. In one of them the trigger that notes new
         entries is dropped, so that its worker has nothing to seal. Rounds alternate between both. A round ends with
         the last response; the next one begins when the log is sealed.
rate     Entries are committed at a steady rate, and a worker seals them. Then one batch after the other is sealed.
proofs   The log is filled by SQL, with a tree that the sealer's own code computes; a worker signs it.
offline  ``python -m registry.rules.audit_log`` reads a directory with the whole log.

CPU is that of all processes for each write: server, PostgreSQL and worker, including what is sealed after the round.
"""
