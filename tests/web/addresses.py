"""One address of every page, for the tests of what holds for all of them.

``{model}`` is a model with a hostile name, whose version 2 is in production and version 3 in staging; ``{digest}`` is
the digest of the data that version 3 was trained on; ``{token}`` is the id of a token with a hostile name, ``{entry}``
that of the latest audit entry, ``{edge}`` that of a lineage edge that was retracted and reinstated;
``{policy}`` is the digest of the policy of the model.
"""

from __future__ import annotations

PAGES = {
    "web.models": "/models?filter=name+ILIKE+%27%25%25%27",
    "web.search_versions": "/search/versions?filter=stage+%3D+%27production%27&order_by=metrics.auc",
    "web.lineage": "/models/{model}/versions/3/lineage?depth=2&retracted=1",
    "web.add_lineage": "/models/{model}/versions/3/lineage/add",
    "web.add_data": "/lineage/datasets?name=%3Cb%3E&digest={digest}",
    "web.edge": "/lineage/edges/{edge}",
    "web.impact": "/lineage/impact?digest={digest}",
    "web.alias": "/models/{model}/aliases/champion",
    "web.aliases": "/models/{model}/aliases",
    "web.audit": "/audit",
    "web.card": "/models/{model}/versions/2/card",
    "web.changes": "/changes",
    "web.compare": "/compare?v={model}:2&v={model}%23staging&v={model}:1&all",
    "web.delete_alias": "/models/{model}/aliases/champion/delete",
    "web.delete_model": "/models/{model}/delete",
    "web.delete_version": "/models/{model}/versions/2/delete",
    "web.edit_model": "/models/{model}/edit",
    "web.edit_version": "/models/{model}/versions/2/edit",
    "web.entry": "/audit/{entry}",
    "web.evidence": "/models/{model}/versions/3/evidence",
    "web.compare_file": "/compare/file?v={model}:2&v={model}%23staging&path=README.md",
    "web.file": "/models/{model}/versions/3/files/README.md",
    "web.files": "/models/{model}/versions/3/files",
    "web.home": "/",
    "web.inventory": "/inventory?stage=production&filter=name+%3D+%27{model}%27",
    "web.lifecycle": "/models/{model}/lifecycle",
    "web.measurements": "/models/{model}/versions/2/metrics",
    "web.metrics": "/models/{model}/metrics?key=auc&key=%3Cb%3E",
    "web.me": "/me",
    "web.new_token": "/tokens/new",
    "web.revoke_token": "/tokens/{token}/revoke",
    "web.settings": "/settings",
    "web.tokens": "/tokens",
    "web.model": "/models/{model}",
    "web.model_history": "/models/{model}/history",
    "web.new_model": "/new/model",
    "web.notes": "/models/{model}/versions/2/notes",
    "web.policy": "/models/{model}/policy",
    "web.set_policy": "/models/{model}/policy/set",
    "web.remove_policy": "/models/{model}/policy/remove",
    "web.default_policy": "/policy",
    "web.set_default_policy": "/policy/set",
    "web.remove_default_policy": "/policy/remove",
    "web.policy_document": "/policies/{policy}",
    "web.restore_model": "/models/{model}/restore",
    "web.restore_version": "/models/{model}/versions/2/restore",
    "web.status": "/status",
    "web.version": "/models/{model}/versions/3",
    "web.reproducibility": "/models/{model}/versions/3/reproducibility",
    "web.move": "/models/{model}/versions/3/stage",
    "web.rollback": "/models/{model}/rollback",
    "web.archive_older": "/models/{model}/archive-older",
    "web.tenures": "/models/{model}/tenures",
    "web.version_history": "/models/{model}/versions/3/history",
}
NO_PAGES = {
    "web.complete": "JSON for the search box",
    "web.asset": "a file",
    "web.login": "there is none in development mode",
    "web.revoke_my_token": "no token acts as the account of development mode",
    "web.twin": "JSON",
}
"""Endpoints that answer with something else than a page."""
