"""``README.txt`` of an archive: what is in it, how to verify it, and what that proves."""

from __future__ import annotations

from registry.domain.evidence.facts import EvidenceQuery, SealedState

_TEXT = """\
Evidence about the model {model}
{rule}
{span}
The audit log {origin}
had {size} entries then{at}; root {root}

Files
  index.html       a page to read and print
  checkpoint       the signed state of the audit log: its origin, size and root
  entries.jsonl    entries of the audit log, each with the proof that the log has it
  facts/*.jsonl    facts, one JSON object on a line
  csv/*.csv        the same facts, and the history of the model, for spreadsheets
  */profile.*      with a profile: the facts in the order of its clauses; no legal advice
  manifest.json    the request, and size and SHA-256 of every other file

Verify
  You need the key of the log from its operator, published elsewhere than in this archive: a line that begins with
    {origin}+
  With the registry's command, which also derives the facts again and compares them:
    registry audit verify --file evidence.zip --key KEY
  The entries alone, with the directory registry/rules/audit_log of its source and the package "cryptography":
    python -m audit_log --key KEY evidence.zip
  Exit code 0: verified; 1: tampered or damaged; 2: not decided, for one because a text was erased after the checkpoint.
  The page audit-log-format.md of the registry's documentation has the format, for a program that you write.

What that proves
  - The log, as its operator signed it, has these entries at these positions, with exactly these bytes and texts.
  - Of a model's chain all entries are here, from its creation to the end of the span: each names the hash of the one
    before it. Entries of other chains are a selection. Later entries, if there are any, are not here.
  - A text that is null was erased; a later entry records the erasure. Its commitment stays in the entry.

What is stated, and what it rests on
  Each fact names what it rests on:
  - entries: it follows from the entries here. Periods, versions, aliases, roles, reasons, checks, approvals and holds
    are of this kind, and a program can derive them again. Facts without a member "basis" are all of this kind.
  - digest: a row of the database. An entry here has the SHA-256 of it: of the files of a version its manifest digest,
    of params, metrics, lineage, and what registration fixes, the digests in "facts" of the entry; of a policy, and of
    the facts and verdicts of a move, the digests "policy" and "gates" of the entry.
  - row: a row of the database, for which the operator of the registry vouches alone.
  The times of the checkpoint and of the last entry of the log rest on the operator alone, too.
  The checkpoint does not cover the files other than entries.jsonl: where they differ from it, the entries decide.
  "registry audit verify" of the release in manifest.json makes all files again, from the entries and the rows that
  these have digests of, and refuses an archive with any other byte. "python -m audit_log" does not compare the facts.

Not in this archive
  Refused requests and downloads (counts that the registry does not seal), the files of versions (only their digests),
  and accounts that neither acted on the model nor gave a role to one that did.
"""


def text(query: EvidenceQuery, sealed: SealedState) -> bytes:
    """Return the file."""
    what = query.model if query.version is None else f"{query.model}, version {query.version}"
    since, until = query.since or "its creation", query.until or "the checkpoint"
    return _TEXT.format(
        model=what,
        rule="=" * (25 + len(what)),
        span=f"Span: from {since} to {until}",
        origin=sealed.origin,
        size=sealed.size,
        at=f", the last of {sealed.at}" if sealed.at else "",
        root=sealed.root,
    ).encode()
