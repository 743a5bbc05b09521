"""``registry audit proof``: the proof that an entry is in the sealed log, as a file that is verified offline."""

from __future__ import annotations

from pathlib import Path

import click

from registry.cli.support import output
from registry.cli.support.options import connected
from registry.cli.support.session import Session


@click.command("proof")
@click.argument("entry")
@click.option(
    "-o", "--output", "target", type=click.Path(dir_okay=False, path_type=Path), help="Write the proof to this file."
)
@connected
def prove(session: Session, entry: str, target: Path | None) -> None:
    """Print the proof that ENTRY, the id of an audit entry, is in the sealed log. Needs the role auditor or admin.

    The proof is a text in the format c2sp.org/tlog-proof@v1. It is verified offline, with the bytes of the entry and a
    public key of the log. An entry that is a few seconds old may not be sealed yet (exit 8).

    \b
    Example:
      registry audit proof 35a3bd7f-7aa4-4a9b-8cae-26643292bc1f -o promotion.tlog-proof
    """
    proof = session.registry.audit.proof(entry)
    if target is not None:
        target.write_bytes(proof)
        session.show({"entry": entry, "file": str(target)}, lambda: output.line(f"Proof of {entry}: {target}"))
        return
    session.show({"entry": entry, "proof": proof.decode()}, lambda: output.pass_on([proof]))
