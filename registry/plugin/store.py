"""MLflow's registry store for ``registry+http(s)://``: the registry's MLflow face, but that versions bring their files.

The arguments are those that MLflow 2.9 to 3.17 pass; its tests for a keyword are on this signature.
"""

from __future__ import annotations

import logging
import re
from typing import Any

from mlflow.entities.model_registry import ModelVersionTag, RegisteredModelTag
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED, RESOURCE_DOES_NOT_EXIST
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.model_registry.rest_store import RestStore
from mlflow.utils.rest_utils import MlflowHostCreds
from requests.utils import get_netrc_auth

from registry.client import RegistryClient, errors
from registry.plugin import address, server
from registry.plugin.answers import as_mlflow
from registry.plugin.origin import RunOrigin
from registry.plugin.served import ServedOrigin

log = logging.getLogger(__name__)
_COPY = re.compile(r"models:/.*[/@].")
_PROMPT = "mlflow.prompt.is_prompt"
# What MLflow leaves in a directory into which it has downloaded a version.
_NOTES = ("/registered_model_meta",)


class RegistryStore(RestStore):  # type: ignore[misc] # MLflow has no stubs
    """A registry at *store_uri*; files and runs are read through the client's own tracking store."""

    def __init__(self, store_uri: str | None = None, tracking_uri: str | None = None) -> None:
        self._uri, self._tracking_uri = store_uri, tracking_uri
        self._address = address.registry(store_uri or "")
        server.configured_identity()
        super().__init__(self._credentials)

    def create_registered_model(
        self, name: str, tags: Any = None, description: str | None = None, *others: Any, **named: Any
    ) -> Any:
        """Create a model. MLflow's server gives tags as messages, which MLflow's own store does not take."""
        return super().create_registered_model(name, _entities(RegisteredModelTag, tags), description, *others, **named)

    def create_model_version(  # noqa: PLR0917 -- MLflow's own signature
        self,
        name: str,
        source: str,
        run_id: str | None = None,
        tags: Any = None,
        run_link: str | None = None,
        description: str | None = None,
        local_model_path: str | None = None,
        model_id: str | None = None,
    ) -> Any:
        """Upload the files and register them with their facts in MLflow's tracking. Copies and prompts have none.

        In MLflow's server, files that its caller may not have it read make a reference without files.
        """
        run_id, model_id = run_id or None, model_id or None  # a server sends "" for omitted fields
        labels = {tag.key: str(tag.value) for tag in tags or ()}
        reference = (name, source, run_id, _entities(ModelVersionTag, tags), run_link, description)
        extra = {"model_id": model_id} if model_id else {}
        if _COPY.match(source) or labels.get(_PROMPT, "").lower() == "true":
            return super().create_model_version(*reference, **extra)
        with as_mlflow(), self._client() as registry:
            _require_model(registry, name)
            origin = self._origin(source, run_id, model_id)
            if not origin.readable:
                return super().create_model_version(*reference, **extra)
            with origin.files(local_model_path) as files:
                facts = origin.facts()
                facts["tags"] = labels or None
                facts["description"] = description or None
                facts["origin"] = {"source": source, "run_link": run_link or None, "logged_model": origin.model_id}
                done = registry.register(
                    name,
                    files,
                    exclude=_NOTES,
                    allow_secrets=address.allows_secrets(),
                    new_version=True,
                    detect="files",
                    **facts,
                )
        if done["ignored"]:
            log.warning("left out of %s by default: %s", name, ", ".join(done["ignored"]))
        return self.get_model_version(name, str(done["version"]["number"]))

    def get_model_version_download_uri(self, name: str, version: Any) -> Any:
        """Return where the version's files can be downloaded, verified; elsewhere only if the registry lacks them.

        Callers of MLflow's server have no plugin: they get the address that the registry gives to any client.
        """
        location = super().get_model_version_download_uri(name, version)
        if (current := server.request()) is not None and not server.reads_files(current):
            return location
        with as_mlflow(), self._client() as registry:
            version_view = registry.versions.get(name, int(version))
        if version_view["state"] != "ready" or not version_view["manifest_digest"]:
            return location
        return address.version_uri(self._address, version_view["model"], version_view["number"])

    def list_webhooks_by_event(self, event: Any, max_results: int | None = None, page_token: str | None = None) -> Any:
        """List none, for MLflow's server before each delivery: the registry keeps no webhooks of MLflow's."""
        return PagedList([], None)

    def _origin(self, source: str, run_id: str | None, model_id: str | None) -> RunOrigin:
        if server.request() is not None:
            return ServedOrigin(source, run_id=run_id, model_id=model_id)
        return RunOrigin(source, run_id=run_id, model_id=model_id, tracking_uri=self._tracking_uri)

    def _client(self) -> RegistryClient:
        return address.client(self._address, trusted=(self._uri,))

    def _credentials(self) -> Any:
        """Return the credentials; called before every request, so that a new token is used."""
        if server.request() is not None and get_netrc_auth(self._address):
            raise MlflowException(
                f"the .netrc file of this MLflow server has credentials for {self._address}, which would be sent in"
                " place of its callers'; remove them",
                error_code=PERMISSION_DENIED,
            )
        token = address.token(self._address, trusted=(self._uri,))
        if token and address.readable(self._address):
            raise address.invalid(
                f"{self._address} is plain http to another machine: the token would travel readable; use registry+https"
            )
        return MlflowHostCreds(self._address, token=token)


def _entities(kind: Any, tags: Any) -> list[Any]:
    """Return the tags as entities of *kind*, from entities or from a server's messages."""
    return [kind(tag.key, str(tag.value)) for tag in tags or ()]


def _require_model(registry: RegistryClient, name: str) -> None:
    """Raise MlflowException unless there is such a model: in MLflow, registering a version makes none."""
    try:
        if registry.models.get(name)["state"] == "active":
            return
    except (errors.NotFound, ValueError):
        pass
    raise MlflowException(f"Registered Model with name={name} not found", error_code=RESOURCE_DOES_NOT_EXIST)
