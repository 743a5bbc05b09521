"""Compare requests for approval, and the acts on them, with the log."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import zip_longest
from typing import Any

from registry.db.models import Request, RequestAct
from registry.domain import clock, requests
from registry.domain.replay.requests import ReplayedAct, ReplayedRequests
from registry.services.audit.comparison import Comparison, unlike
from registry.services.audit.streams import Cursors, request_act_rows, request_rows


def check_requests(comparison: Comparison, rows: Iterable[Any], acts: Iterable[Any], log: ReplayedRequests) -> None:
    """Compare the requests of a chain, and the acts on them in their order."""
    stored = {row.id: _compared_columns(row) for row in rows}
    comparison.differences += unlike("request", stored, log.opened)
    for request in sorted(stored.keys() & log.opened.keys()):
        comparison.check(f"the request {request}", stored[request], log.opened[request])
    for row, act in zip_longest(acts, log.acts):
        found = row and ReplayedAct(row.request_id, row.kind, row.account_id, row.issuer_id, tuple(row.roles),
                                    clock.wire(row.at), row.entry_uid)  # fmt: skip
        if found != act:
            comparison.differences.append(f"the act {found} on a request should be {act}")
            return  # those that follow would differ, too


def check_of_defaults(cursors: Cursors, comparison: Comparison, log: ReplayedRequests) -> None:
    """Compare the requests for another default policy."""
    own = Request.model_id.is_(None)
    acts = cursors.rows(request_act_rows().where(own).order_by(RequestAct.id))
    check_requests(comparison, cursors.rows(request_rows().where(own)), acts, log)


def _compared_columns(row: Any) -> dict[str, Any]:
    facts = requests.recorded(row._asdict())
    del facts["request"]
    return {
        **facts,
        "version": row.number if row.version_of in {None, row.model_id} else f"of {row.version_of}",
        "policy": row.policy_digest,
        "manifest": row.manifest_digest,
        "requested_by": row.requested_by,
        "issuer": row.issuer_id,
        "opened": (clock.wire(row.opened_at), row.opened_entry),
        "closed": (row.state, row.closed_at and clock.wire(row.closed_at), row.closed_entry),
    }
