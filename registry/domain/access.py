"""Permissions, the roles that grant them, and the actor of a request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from registry.domain.errors import MissingPermission


class Permission(StrEnum):
    MODEL_READ = "model:read"
    MODEL_CREATE = "model:create"
    MODEL_EDIT = "model:edit"
    MODEL_DELETE = "model:delete"
    MODEL_LIFECYCLE = "model:lifecycle"
    MODEL_RENAME = "model:rename"
    VERSION_REGISTER = "version:register"
    VERSION_IMPORT = "version:import"
    VERSION_EDIT = "version:edit"
    VERSION_NOTE = "version:note"
    LINEAGE_ADD = "lineage:add"
    LINEAGE_RETRACT = "lineage:retract"
    VERSION_DELETE = "version:delete"
    VERSION_PURGE = "version:purge"
    VERSION_STAGE = "version:stage"
    VERSION_PROMOTE = "version:promote"
    VERSION_ROLLBACK = "version:rollback"
    VERSION_ROLLBACK_UNCHECKED = "version:rollback_unchecked"
    VERSION_BREAK_GLASS = "version:break_glass"
    POLICY_SET = "policy:set"
    CHECK_REPORT = "check:report"
    REQUEST_OPEN = "request:open"
    REQUEST_APPROVE = "request:approve"
    HOLD_PLACE = "hold:place"
    HOLD_RELEASE = "hold:release"
    ALIAS_SET = "alias:set"
    FILE_UPLOAD = "file:upload"
    FILE_DOWNLOAD = "file:download"
    ARTIFACT_OVERRIDE = "artifact:override"
    AUDIT_READ = "audit:read"
    TOKEN_CREATE = "token:create"  # noqa: S105 -- a permission's name
    TOKEN_READ = "token:read"  # noqa: S105 -- a permission's name
    TOKEN_MANAGE = "token:manage"  # noqa: S105 -- a permission's name
    JOB_MANAGE = "job:manage"
    SELF_READ = "self:read"
    SELF_REVOKE = "self:revoke"


class Role(StrEnum):
    READER = "reader"
    WRITER = "writer"
    PROMOTER = "promoter"
    APPROVER = "approver"
    ADMIN = "admin"
    AUDITOR = "auditor"
    RESPONDER = "responder"
    BOOTSTRAP = "bootstrap"


class TokenPurpose(StrEnum):
    """What a token is accepted for: an API token by the API, a browser session by the pages."""

    API = "api"
    SESSION = "session"


class ActorKind(StrEnum):
    USER = "user"
    SYSTEM = "system"
    LOCAL_DEV = "local-dev"


# Those who may read a version may comment on it.
_READ = frozenset({Permission.MODEL_READ, Permission.VERSION_NOTE, Permission.SELF_READ, Permission.SELF_REVOKE})
_WRITE = frozenset(
    {
        Permission.FILE_DOWNLOAD,
        Permission.MODEL_CREATE,
        Permission.MODEL_EDIT,
        Permission.VERSION_REGISTER,
        Permission.VERSION_EDIT,
        Permission.VERSION_STAGE,
        Permission.ALIAS_SET,
        Permission.FILE_UPLOAD,
        Permission.LINEAGE_ADD,
        Permission.CHECK_REPORT,
        Permission.REQUEST_OPEN,
    }
)
_DELETE = frozenset({Permission.VERSION_DELETE, Permission.LINEAGE_RETRACT})

# An admin neither promotes nor rolls back: who hands out the rights does not also use them. Give one token both
# roles where one person does both. An approver judges and changes nothing else. An auditor reads everything but no
# bytes. A responder is a person on call: only this role rolls back without asking the store, which no pipeline needs,
# and promotes past the gates.
GRANTS: Mapping[Role, frozenset[Permission]] = {
    Role.READER: _READ | {Permission.FILE_DOWNLOAD},
    Role.WRITER: _READ | _WRITE,
    Role.PROMOTER: _READ
    | _WRITE
    | _DELETE
    | {Permission.VERSION_PROMOTE, Permission.VERSION_ROLLBACK, Permission.HOLD_PLACE, Permission.HOLD_RELEASE},
    Role.APPROVER: _READ
    | {Permission.FILE_DOWNLOAD, Permission.REQUEST_APPROVE, Permission.HOLD_PLACE, Permission.HOLD_RELEASE},
    Role.ADMIN: _READ
    | _WRITE
    | _DELETE
    | {
        Permission.MODEL_DELETE,
        Permission.MODEL_LIFECYCLE,
        Permission.MODEL_RENAME,
        Permission.POLICY_SET,
        Permission.VERSION_IMPORT,
        Permission.VERSION_PURGE,
        Permission.ARTIFACT_OVERRIDE,
        Permission.AUDIT_READ,
        Permission.JOB_MANAGE,
        Permission.TOKEN_CREATE,
        Permission.TOKEN_READ,
        Permission.TOKEN_MANAGE,
    },
    Role.AUDITOR: _READ | {Permission.AUDIT_READ, Permission.TOKEN_READ},
    Role.RESPONDER: _READ
    | {
        Permission.VERSION_STAGE,
        Permission.VERSION_ROLLBACK,
        Permission.VERSION_ROLLBACK_UNCHECKED,
        Permission.VERSION_BREAK_GLASS,
        Permission.HOLD_PLACE,
    },
    Role.BOOTSTRAP: frozenset({Permission.SELF_READ, Permission.TOKEN_CREATE}),
}
GRANTABLE = frozenset(Role) - {Role.BOOTSTRAP}


def permissions_of(roles: Iterable[Role]) -> frozenset[Permission]:
    """Return the permissions that the *roles* grant together."""
    return frozenset().union(*(GRANTS[role] for role in roles))


def roles_that_grant(permission: Permission) -> str:
    """Name the roles that include *permission*, of those that an admin can grant: ``admin, promoter or writer``."""
    *others, last = sorted(role for role in GRANTABLE if permission in GRANTS[role])
    return f"{', '.join(others)} or {last}" if others else str(last)


@dataclass(frozen=True, slots=True)
class Actor:
    """The account of a request. ``id`` is a random identifier that the audit log hashes; ``name`` may be erased.

    ``issuer_id`` is the account that created the token; it differs from ``id`` where an admin issued it for another.
    ``parent_id`` is the API token that a browser session was made from. ``exercised`` collects the permissions that the
    present request needed.
    """

    id: str
    name: str
    kind: ActorKind
    roles: frozenset[Role] = frozenset()
    permissions: frozenset[Permission] = field(default=frozenset())
    token_id: str | None = None
    request_id: str | None = None
    client_request_id: str | None = None
    issuer_id: str | None = None
    parent_id: str | None = None
    exercised: set[Permission] = field(default_factory=set, compare=False, repr=False)

    @property
    def is_issued_by_another(self) -> bool:
        """Return whether another account than the one that it acts as created the credential."""
        return self.issuer_id is not None and self.issuer_id != self.id

    @property
    def lasting_token_id(self) -> str | None:
        """Return the token on which work rests that is done after the request: a browser session ends too soon."""
        return self.parent_id or self.token_id

    def for_request(self, request_id: str, client_request_id: str | None = None) -> Actor:
        """Return this actor for one request, which has not exercised any permission yet.

        *client_request_id* is the client's own name for it, if any.
        """
        return replace(self, request_id=request_id, client_request_id=client_request_id, exercised=set())

    def require(self, permission: Permission, *, because: str = "") -> None:
        """Record that the request needs *permission*. Raises MissingPermission without it, with *because*."""
        if permission not in self.permissions:
            need = f"{because}: this needs" if because else "this needs"
            raise MissingPermission(
                f"{need} the permission {permission}; {self.name} has the roles: "
                f"{', '.join(sorted(self.roles)) or 'none'}; use a token with the role {roles_that_grant(permission)}",
                permission=permission,
                because=because,
            )
        self.exercised.add(permission)


# Fixed identities: their rows are made by the first migration.
SYSTEM = Actor(id="00000000-0000-0000-0000-000000000001", name="system", kind=ActorKind.SYSTEM)
LOCAL_DEV = Actor(
    id="00000000-0000-0000-0000-000000000002",
    name="local-dev",
    kind=ActorKind.LOCAL_DEV,
    roles=frozenset(GRANTABLE),
    permissions=frozenset(Permission),
)
