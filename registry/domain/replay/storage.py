"""Replay of the chain ``storage``: damage and repairs of blobs, and what each path of the artifact area names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from registry.domain.replay.entry import BASELINE, ERASED, UNKNOWN, Entry, Unknown, Unreplayable

# sha256:<hex> or an object's key, size, time, account, media type
File = tuple[str, str, str, str, str | Unknown]
Tree = dict[str, Any]  # a file, or a tree, by the component of the path


@dataclass(frozen=True, slots=True)
class Repair:
    """A blob that changed its object, by the entry *entry*."""

    entry: int
    before: str
    after: str


@dataclass(slots=True)
class Storage:
    """``paths_known`` is false once a path was erased from the log: then the artifact area cannot be replayed."""

    damage: dict[str, str] = field(default_factory=dict)
    repairs: dict[str, list[Repair]] = field(default_factory=dict)
    tree: Tree = field(default_factory=dict)
    paths_known: bool = True
    baseline: str | None = None

    def key_at(self, sha256: str, current: str, entry: int) -> str:
        """Return the object that held a blob at the time of an entry; *current* holds it now."""
        return next((repair.before for repair in self.repairs.get(sha256, ()) if repair.entry > entry), current)

    def files(self) -> Iterator[tuple[str, File]]:
        """Return every path of the artifact area with what it names."""
        return _walk(self.tree, "")


def replay(entries: Iterable[Entry]) -> Storage:
    """Return the state that the entries lead to. Raises Unreplayable as ``model.replay`` does."""
    storage = Storage()
    for entry in entries:
        action = ACTIONS.get(entry.action)
        if action is None:
            raise Unreplayable(f"this release cannot replay the action {entry.action!r}")
        try:
            action(storage, entry)
        except (KeyError, TypeError, AttributeError) as error:
            raise Unreplayable(f"the {entry.action} lacks {error}") from error
    return storage


def _damaged(storage: Storage, entry: Entry) -> None:
    storage.damage[_blob(entry)] = entry.after["damage"]


def _repaired(storage: Storage, entry: Entry) -> None:
    blob, after = _blob(entry), entry.after["key"]
    storage.damage.pop(blob, None)
    before = entry.facts.get("key_before", after)
    if before != after:
        storage.repairs.setdefault(blob, []).append(Repair(entry.id, before, after))


def _collected(storage: Storage, entry: Entry) -> None:
    storage.damage.pop(_blob(entry), None)
    storage.repairs.pop(_blob(entry), None)


def _written(storage: Storage, entry: Entry) -> None:
    parent = _parent(storage, entry, make=True)
    if parent is not None:
        tree, name = parent
        content = entry.after.get("sha256") or entry.after["object"]
        media_type = entry.facts.get("media_type", UNKNOWN)
        tree[name] = (content, entry.after["size"], entry.at, entry.actor["id"], media_type)


def _hashed(storage: Storage, entry: Entry) -> None:
    parent = _parent(storage, entry)
    if parent is not None:
        tree, name = parent
        tree[name] = (entry.digests["blob"], entry.after["size"], *tree[name][2:])


def _removed(storage: Storage, entry: Entry) -> None:
    parent = _parent(storage, entry)
    if parent is not None:
        tree, name = parent
        tree.pop(name, None)


def _baselined(storage: Storage, entry: Entry) -> None:
    storage.baseline = entry.at


def _unchanged(storage: Storage, entry: Entry) -> None:
    """Change nothing: it is about a job, a format, the store as a whole, an object without a row, or a text."""


def _blob(entry: Entry) -> str:
    return entry.digests["blob"].removeprefix("sha256:")


def _parent(storage: Storage, entry: Entry, *, make: bool = False) -> tuple[Tree, str] | None:
    """Return the tree that holds the entry's path, with its last component; None where it is not known."""
    path = entry.text("path")
    if isinstance(path, Unknown) or path is None:
        storage.paths_known = False
        return None
    *above, name = path.split("/")
    tree = storage.tree
    for component in above:
        if component not in tree and not make:
            return {}, name
        tree = tree.setdefault(component, {})
        if not isinstance(tree, dict):
            raise Unreplayable(f"{component!r} is both a file and a directory")
    return tree, name


def _walk(tree: Tree, above: str) -> Iterator[tuple[str, File]]:
    for name, children in tree.items():
        if isinstance(children, dict):
            yield from _walk(children, f"{above}{name}/")
        else:
            yield above + name, children


ACTIONS: Mapping[str, Callable[[Storage, Entry], None]] = {
    "blob.missing": _damaged,
    "blob.corrupt": _damaged,
    "blob.repaired": _repaired,
    "blob.collected": _collected,
    "blob.format_discarded": _unchanged,
    "object.collected": _unchanged,
    "store.adopted": _unchanged,
    **{f"{kind}.{what}": _unchanged for kind in ("upload", "artifact") for what in ("parked", "retried")},
    "upload.collected": _unchanged,
    "artifact.written": _written,
    "artifact.hashed": _hashed,
    "artifact.deleted": _removed,
    "artifact.lost": _removed,
    BASELINE: _baselined,
    ERASED: _unchanged,
}
