"""Documents of policies: parsed, and kept in memory by their digests, since they never change."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from registry.db.fixed_statements import FixedStatement
from registry.db.models import StoredPolicy
from registry.db.queries import records
from registry.domain.access import GRANTABLE
from registry.domain.errors import Conflict, Invalid
from registry.rules.policies import document as documents
from registry.rules.policies.document import Policy
from registry.rules.policies.reading import InvalidPolicy

_ROLES = frozenset(role.value for role in GRANTABLE)
KEPT = 256  # a document has 64 KiB at most

_DOCUMENT = FixedStatement(select(StoredPolicy.document).where(StoredPolicy.digest == bindparam("digest")))


def parse(document: Mapping[str, Any] | str) -> Policy:
    """Return the policy of a document, or of its text in YAML or JSON.

    Raises Invalid with each mistake by its place, such as ``production[2].at_least``.
    """
    try:
        return documents.parse(document, roles=_ROLES)
    except InvalidPolicy as error:
        errors: dict[str, list[str]] = {}
        for problem in error.problems:
            line = f" (line {problem.line})" if problem.line else ""
            errors.setdefault(problem.path or "document", []).append(f"{problem.message}{line}")
        place, texts = next(iter(errors.items()))
        more = f"; {len(error.problems) - 1} more" if len(error.problems) > 1 else ""
        raise Invalid(f"{place}: {texts[0]}{more}", errors=errors) from error


class _Kept:
    """The policies that this process has used lately."""

    def __init__(self) -> None:
        self._policies: OrderedDict[str, Policy] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, digest: str) -> Policy | None:
        with self._lock:
            if (policy := self._policies.get(digest)) is not None:
                self._policies.move_to_end(digest)
            return policy

    def keep(self, policy: Policy) -> None:
        with self._lock:
            self._policies[policy.digest] = policy
            if len(self._policies) > KEPT:
                self._policies.popitem(last=False)


_parsed_policies = _Kept()


def used_lately(digest: str) -> Policy | None:
    """Return the policy with that digest where this process has used it lately; reads nothing."""
    return _parsed_policies.get(digest)


def stored(session: Session, digest: str) -> Policy:
    """Return the policy that is stored under *digest*; one statement where this process has not used it lately.

    Raises Conflict where the document does not have that digest: nothing is decided by one that was changed.
    """
    if (known := used_lately(digest)) is not None:
        return known
    (row,) = records.rows(session, _DOCUMENT, digest=digest)
    try:
        policy = documents.parse(json.loads(row.document))
    except ValueError as error:
        raise _changed_document(digest) from error
    if policy.digest != digest:
        raise _changed_document(digest)
    _parsed_policies.keep(policy)
    return policy


def _changed_document(digest: str) -> Conflict:
    return Conflict(
        f"the document of the policy {digest} was changed in the database; an operator finds out with: "
        "registry audit verify"
    )
