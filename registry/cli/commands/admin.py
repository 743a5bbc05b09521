"""``registry admin``: the first token, and maintenance of stored data."""

from __future__ import annotations

import shlex
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from registry.cli.support import output, server, tables
from registry.cli.support.cells import Whole
from registry.cli.support.exit_codes import Exit

if TYPE_CHECKING:
    from registry.db.records import JobRecord
    from registry.services.integrity.store_ownership import Adoption


@click.group()
def admin() -> None:
    """Administer a registry on the server's machine: first token, store, key, jobs, formats, epochs, erasure, clock."""


@admin.command()
@click.option("--force", is_flag=True, help="Create a new token and revoke the old one.")
@server.settings
def bootstrap(force: bool, **overrides: Any) -> None:
    """Print a token for the first administrator, once, and keep it in the data directory.

    \b
    Example:
      registry admin bootstrap
    """
    with server.application(**overrides) as app:
        from registry.serve import offer_bootstrap

        if offer_bootstrap(app, force=force) is None:
            raise click.ClickException("There are tokens already. --force makes a bootstrap token all the same.")


@admin.command()
@click.option("--dry-run", is_flag=True, help="Only show what would be deleted now.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
@server.settings
def gc(dry_run: bool, as_json: bool, **overrides: Any) -> None:
    """Collect what nothing refers to: bytes of purged versions, strays, uploads that never came.

    What is found is marked first, and deleted after REGISTRY_GC_GRACE seconds if it is still not needed. Workers do
    the same every REGISTRY_GC_INTERVAL seconds. Every deletion is in the audit log.

    \b
    Example:
      registry admin gc --dry-run
      registry admin gc
    """
    unseen: list[str] = []
    collected = server.collect(dry_run=dry_run, unseen=unseen.append, **overrides)
    deleted = [waste for waste in collected if waste.deleted]
    waiting = len(collected) - len(deleted)
    freed = sum(waste.size for waste in deleted)
    if as_json:
        items = [{"kind": waste.kind, "name": waste.name, "size": waste.size} for waste in deleted]
        output.document({"dry_run": dry_run, "deleted": items, "bytes": freed, "waiting": waiting, "unseen": unseen})
        return
    rows = [[Whole(waste.kind), Whole(waste.name), output.size(waste.size)] for waste in deleted]
    tables.table(("kind", "name", "size"), rows, empty="nothing to delete")
    verb = "would be deleted" if dry_run else "deleted"
    output.line(f"{output.count(len(deleted), 'item')} {verb} ({output.size(freed)}); {waiting} waiting")
    for reason in unseen:
        output.note(f"objects and parts that nothing refers to were not looked for: {reason}")


@admin.command()
@click.option("--deep", is_flag=True, help="Also read and hash every stored file.")
@click.option("--mark", is_flag=True, help="Have workers look again at what is wrong, and request the bytes again.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
@server.settings
def fsck(deep: bool, mark: bool, as_json: bool, **overrides: Any) -> None:
    """Compare the database with the store, both ways. Exits with 7 when bytes are missing or changed.

    Strays are no harm: the collector takes them. With --mark, what was found damaged before and is whole is repaired;
    it needs a store that belongs to this registry.

    \b
    Example:
      registry admin fsck --deep
    """
    findings = server.check_store(deep=deep, mark=mark, **overrides)
    harm = sum(finding.harm for finding in findings)
    if as_json:
        items = [{"kind": item.kind, "name": item.name, "detail": item.detail, "harm": item.harm} for item in findings]
        output.document({"ok": not harm, "deep": deep, "findings": items})
    else:
        rows = [[Whole(item.kind), item.name, item.detail] for item in findings]
        tables.table(("kind", "name", "detail"), rows, empty="no findings")
        read = "every byte was read" if deep else "sizes only; --deep reads every byte"
        repaired = sum(finding.kind == "repaired" for finding in findings)
        strays = output.count(len(findings) - harm - repaired, "stray")
        healed = f", {repaired} repaired" if repaired else ""
        output.line(f"{'Whole' if not harm else f'{harm} damaged'}{healed}, {strays} ({read}).")
    if harm:
        click.get_current_context().exit(Exit.INTEGRITY)


@admin.command(name="new-epoch")
@click.option("--keep-tokens", is_flag=True, help="Do not revoke the tokens.")
@click.option("--skip", type=click.IntRange(1, 1_000_000), default=1000, show_default=True, metavar="N",
              help="How many version numbers of each model to leave out.")  # fmt: skip
@click.option("--yes", is_flag=True, help="Do not ask.")
@server.settings
def new_epoch(keep_tokens: bool, skip: int, yes: bool, **overrides: Any) -> None:
    """Record that the database was restored from a backup that deploy/backup/backup.py did not restore.

    Numbers that the lost state may have shown are not used again: the next version of each model is numbered N later,
    and so are ETags. All tokens are revoked, because the backup does not record later revocations; a bootstrap token
    is made. Then adopt the store: registry admin adopt-store.

    \b
    Example:
      registry admin new-epoch
    """
    if not yes:
        click.confirm("Skip version numbers and begin a new epoch of this registry?", abort=True, err=True)
    epoch = server.begin_epoch(keep_tokens=keep_tokens, skip=skip, **overrides)
    models, tokens = output.count(epoch.models, "model"), output.count(epoch.tokens, "token")
    output.line(f"Epoch {epoch.id} has begun: {models} renumbered, {tokens} revoked.")


@admin.command(name="adopt-store")
@click.option("--dry-run", is_flag=True, help="Only show whose the store is and what adopting it would mean.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout; needs --yes or --dry-run.")
@server.settings
def adopt_store(dry_run: bool, yes: bool, as_json: bool, **overrides: Any) -> None:
    """Make this registry the owner of the store.

    A store carries the id of its registry. Another one does not start with it, and collects and marks nothing in it.
    Adopt a store after a restore, or when its registry is gone for good: a registry that still uses it is refused from
    then on. What this database does not refer to is deleted after REGISTRY_GC_GRACE seconds. The audit log records it.

    \b
    Example:
      registry admin adopt-store --dry-run
      registry admin adopt-store
    """
    if as_json and not (yes or dry_run):
        raise click.UsageError("--json cannot ask for confirmation: give --yes or --dry-run too.")
    adoption = server.adopt_store(dry_run=True, **overrides)
    if not as_json:
        _show_adoption(adoption)
    if not dry_run:
        if not yes:
            click.confirm("Adopt the store?", abort=True, err=True)
        adoption = server.adopt_store(dry_run=False, **overrides)
    if as_json:
        document = {"adopted": adoption.adopted, "reason": adoption.before.detail, "sampled": adoption.sampled,
                    "present": adoption.present, "listed": adoption.listed, "unknown": adoption.unknown}  # fmt: skip
        output.document(document)
    elif adoption.adopted:
        output.line(f"The store belongs to this registry ({adoption.before.own.registry}) now.")


def _show_adoption(adoption: Adoption) -> None:
    output.line(f"Now: {adoption.before.detail}.")
    output.line(f"Of {adoption.sampled} objects that this database refers to, it has {adoption.present}.")
    output.line(
        f"Of the first {adoption.listed} objects in it, this database refers to {adoption.listed - adoption.unknown}; "
        f"the other {adoption.unknown} would be deleted after the grace period."
    )


@admin.command()
@click.option("--all", "every", is_flag=True, help="Also list waiting and running jobs.")
@click.option("--abandoned", is_flag=True, help="List the jobs for runs whose end was not recorded instead.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
@server.settings
def jobs(every: bool, abandoned: bool, as_json: bool, **overrides: Any) -> None:
    """List background jobs that were parked: three attempts ended without a result.

    That happens when the worker is killed (for example out of memory) or has a defect; the workers' log says which.

    \b
    Example:
      registry admin jobs
    """
    if every and abandoned:
        raise click.UsageError("--all and --abandoned cannot be used together")
    state = "abandoned" if abandoned else "parked"
    job_records = server.open_jobs(state=None if every else state, **overrides)
    if as_json:
        output.document({"jobs": [_job(job) for job in job_records]})
        return
    rows = [[Whole(job.id), Whole(job.kind), Whole(job.state), job.attempts, job.subject] for job in job_records]
    tables.table(("id", "kind", "state", "attempts", "subject"), rows, empty="no jobs" if every else f"no {state} jobs")
    for job in job_records:
        if job.state in {"parked", "abandoned"}:
            output.line(f"{job.id}: {job.reason}")
    output.line(f"{output.count(len(job_records), 'job')}.")


@admin.command()
@click.argument("job_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
@server.settings
def retry(job_id: str, as_json: bool, **overrides: Any) -> None:
    """Return a parked or abandoned job to the workers, with three more attempts.

    For a run whose end was not seen that means seven more days.

    \b
    Example:
      registry admin retry 5f2c9d1e-0000-4000-8000-000000000000
    """
    job = server.retry_job(job_id, **overrides)
    if as_json:
        output.document({"job": _job(job)})
    else:
        output.line(f"Workers take up {job.kind} {job.id} again.")


def _job(job: JobRecord) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value := getattr(job, name), datetime) else value
        for name in job.__slots__
    }


@admin.command()
@click.argument("digests", metavar="[SHA256]...", nargs=-1)
@click.option("--unreadable", is_flag=True, help="All files whose format is unreadable.")
@click.option("--unsealed", is_flag=True, help="All files whose format is shown as null: its seal is false.")
@click.option("--reason", required=True, metavar="TEXT", help="The reason, recorded in the audit log.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
@server.settings
def reread(digests: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Have workers read the format of files again, for example after a defect of the store.

    Until then the format is not known, and the rule file_formats refuses the versions; a move reads the files itself.
    The log has an entry for each file. A false seal is a trace of tampering: keep the output of registry audit verify
    --local first.

    \b
    Example:
      registry admin reread --unreadable --reason "the store returned truncated bytes"
      registry admin reread 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 --reason "new library"
    """
    if not (digests or options["unreadable"] or options["unsealed"]):
        raise click.UsageError("Name files by their SHA-256, or give --unreadable or --unsealed.")
    files = server.discard_formats([digest.removeprefix("sha256:") for digest in digests], **options)
    if as_json:
        output.document({"files": list(files)})
        return
    for sha256 in files:
        output.line(sha256)
    output.line(f"Workers read {output.count(len(files), 'file')} again.")


@admin.command("forget-person")
@click.argument("name")
@click.option("--reason", required=True, metavar="TEXT", help="The reason, without the name; recorded in the log.")
@server.settings
def forget_person(name: str, reason: str, **overrides: Any) -> None:
    """Remove the account name NAME wherever it is shown, and the names of the account's tokens.

    The log records it, and every proof stays valid. Revoke the account's tokens first. On PostgreSQL run it with the
    URL of the tables' owner: the service itself may not erase. Copies elsewhere (backups, exports) are not touched.
    Other texts that mention the person: registry audit find-text, then registry audit redact.

    \b
    Example:
      registry admin forget-person alice --reason "left the company"
      registry audit find-text alice
    """
    _forget(name, reason, **overrides)


@admin.command(hidden=True)
@click.option("--account", metavar="NAME", required=True, help="The account whose name is erased wherever it is shown.")
@click.option("--reason", required=True, metavar="TEXT", help="The reason, without the name; recorded in the log.")
@server.settings
def erase(account: str, reason: str, **overrides: Any) -> None:
    """Do the same as forget-person, as earlier builds spelled it.

    \b
    Example:
      registry admin erase --account alice --reason "left the company"
    """
    _forget(account, reason, **overrides)


def _forget(name: str, reason: str, **overrides: Any) -> None:
    pseudonym = server.erase_account(name, reason=reason, **overrides)
    output.line(f"Erased; {pseudonym} stands in its place.")
    output.note(f"Texts may still mention the person: registry audit find-text {shlex.quote(name)}")


@admin.command("replace-key")
@click.option("--reason", required=True, metavar="TEXT", help="The reason, recorded in the audit log.")
@server.settings
def replace_key(reason: str, **overrides: Any) -> None:
    """Accept this REGISTRY_SECRET_KEY because the database's is lost. It voids every token and signed address.

    To rotate a key that you have, set it as REGISTRY_SECRET_KEY_PREVIOUS instead; nothing is voided then. Afterwards
    create a token (registry admin bootstrap --force) and a baseline (registry audit verify --baseline
    --accept-unsealed). Without the lost key, the seals of earlier entries cannot be checked. Recorded in the audit log.

    \b
    Example:
      registry admin replace-key --reason "the key was lost with the machine"
    """
    fingerprint = server.replace_key(reason, **overrides)
    output.line(f"The key with the fingerprint {fingerprint} is this database's now.")


@admin.command("accept-clock")
@click.option("--reason", required=True, metavar="TEXT", help="The reason, recorded in the audit log.")
@server.settings
def accept_clock(reason: str, **overrides: Any) -> None:
    """Take the database's clock as right, after a wrong clock dated entries or was corrected.

    Models whose latest entry is ahead of the clock take writes again; questions about their past in that span are
    refused. Servers that refuse to write since the clock was set go on. Recorded in the audit log.

    \b
    Example:
      registry admin accept-clock --reason "NTP was off by an hour until 13:00"
    """
    with server.application(**overrides):
        from registry.domain import clock
        from registry.services import audit

        accepted = audit.accept_clock(reason)
    output.line(f"accepted {clock.wire(accepted.at)} as the time")
    for model in accepted.models:
        output.line(f"  {model}: its latest entry is dated ahead of it; its past is uncertain until then")
