"""The registry from Python: register, resolve, promote, roll back, pull and verify.

    from registry.client import RegistryClient

    with RegistryClient() as registry:  # as the command registry finds it, or RegistryClient(url, token)
        registered = registry.register("fraud", "./model", metrics={"auc": 0.93})
        registry.promote(f"fraud:{registered['version']['number']}", "staging", reason="smoke tests passed")
        registry.pull("fraud#production", "./served")

    client       RegistryClient: one object for everything below
    catalog      models and versions
    governance   stages, rollback, aliases, audit
    target       which registry, and with which token, when none is given
    access       tokens and the caller's own identity; credentials: the token that this machine has
    registration the bytes and the entry of a new version
      sources, selection   the files of a directory, hashed; which of them count
      sending, parts       small files in groups, large ones in parts; delivery, bodies: one request's bytes
    downloads    a version's files into a directory; download_cache: files of earlier pulls, by digest
      fetching, ranges     small files in one request, large ones in ranges; partials: what an interruption leaves
      directory            writing without leaving it
    crew         the threads of both; progress: how far they are, and whether they should stop
    tracked      what MLflow's runs and models say, as a version's facts
    imports      versions from bytes elsewhere; polling: waiting for what the registry does itself
    verification a directory against a version
    archives     a version as one tar file
    comparison   what differs between two versions
    values       params, metrics and times as programs have them; data: files and addresses as datasets
    references   fraud:7, fraud@champion, fraud#production, models:/fraud/7
    transport    HTTP: idempotency keys, where the token may go; retry: the policy of requests and transfers
    types        what the registry answers; records: how that is shown, and flat rows for tables
    errors       how it refuses

The package stands alone: it imports nothing else of the registry and needs only requests.
"""

from registry.client.api.fields import UNSET
from registry.client.client import RegistryClient
from registry.client.errors import RegistryError
from registry.client.references import Reference

__all__ = ["UNSET", "Reference", "RegistryClient", "RegistryError"]
