"""The registry from Python: register, resolve, promote, roll back, pull and verify.

    from registry.client import RegistryClient

    with RegistryClient() as registry:  # as the command registry finds it, or RegistryClient(url, token)
        registered = registry.register("fraud", "./model", metrics={"auc": 0.93})
        registry.promote(f"fraud:{registered['version']['number']}", "staging", reason="smoke tests passed")
        registry.pull("fraud#production", "./served")

    client           RegistryClient, made of: connection (which registry, and its resources), lookup (references),
                     promotion (moves, rollback), version_files (register, import, pull, archive, verify)
    registration     the bytes and the entry of a new version
    api              the calls of the API, one module a resource; polling waits for what the registry does itself
    files            files on disk: scan, selection, facts in them, directories to write to, verification
    transfer         bytes to and from the store: uploads whole and in parts, downloads whole and in ranges, archives
    workers          the threads of both; progress: how far they are, and whether they should stop
    http             transport, retry, sessions, credentials, and what failures mean
    detect           the run and the code around this process
    tracked          MLflow's runs and models, as a version's facts
    comparison       what differs between two versions
    values           params, metrics and times as programs have them; fields: request bodies from arguments
    references       fraud:7, fraud@champion, fraud#production, models:/fraud/7
    types            what the registry answers; records: how that is shown, and flat rows for tables
    errors           how it refuses
    diagnosis        a registry as it looks from this machine

The package stands alone: of the registry it imports only ``rules``, and it needs only requests and pathspec.
"""

from registry.client.client import RegistryClient
from registry.client.errors import RegistryError
from registry.client.fields import UNSET
from registry.rules.references import Reference

__all__ = ["UNSET", "Reference", "RegistryClient", "RegistryError"]
