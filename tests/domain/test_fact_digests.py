"""Digests of lineage: documents without the facts of later releases digest as those releases found them."""

from __future__ import annotations

from registry.domain.lineage import Code, Run, Snapshot, nodes

# As the release before the branch and the person computed them.
SNAPSHOT = "sha256:262f702968151b22a56e56218dcbc2e76b42b994714e5de995ff9d8842561e3a"
KEYS = [
    "sha256:5ff1e9ce39391e3fb5ae6f5d8ff91fd0162c1938d46440f3e533c955a8953850",
    "sha256:153ae0d2b5e286559e74b1c361df9110d646c7d7fd3ed4056208f68d2a9fe7e1",
]


def test_a_snapshot_without_later_facts_keeps_its_digest() -> None:
    plain = Snapshot(run=Run("ci", "1"), code=Code("r", commit="c"))
    later = Snapshot(run=Run("ci", "1", triggered_by="ann"), code=Code("r", commit="c", branch="main", command="x"))

    assert (plain.digest, [node.key for node in nodes(plain)]) == (SNAPSHOT, KEYS)
    assert not {later.digest, *(node.key for node in nodes(later))} & {SNAPSHOT, *KEYS}
