"""The registry from Python: register, resolve, promote, roll back, pull and verify.

    from registry.client import RegistryClient

    with RegistryClient("https://registry.example", token=token) as registry:
        registered = registry.register("fraud", "./model", metrics={"auc": 0.93})
        registry.stages.move("fraud", registered["version"]["number"], "staging", reason="smoke tests passed")
        registry.pull("fraud#production", "./served")

    client       RegistryClient: one object for everything below
    catalog      models and versions
    governance   stages, rollback, aliases, audit
    access       tokens and the caller's own identity
    registration the bytes and the entry of a new version    uploads, sources: its parts
    downloads    a version's files into a directory          directory: writing without leaving it
    verification a directory against a version
    references   fraud:7, fraud@champion, fraud#production, models:/fraud/7
    transport    HTTP: retries, idempotency keys, where the token may go
    types        what the registry answers
    errors       how it refuses

The package stands alone: it imports nothing else of the registry and needs only requests.
"""

from registry.client.client import RegistryClient
from registry.client.errors import RegistryError
from registry.client.fields import UNSET
from registry.client.references import Reference

__all__ = ["UNSET", "Reference", "RegistryClient", "RegistryError"]
