"""Downloads of the live versions of a recall, by version, account and address."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypedDict

from registry.cli.support import output

if TYPE_CHECKING:
    from registry.client import RegistryClient
    from registry.client.types import HeldVersionView


class LiveDownloads(TypedDict):
    """Requests for the bytes of a version from an account at an address, of which the counts are still kept."""

    model: str
    number: int
    account: str
    address: str
    count: int
    last_at: str


def of(registry: RegistryClient, live: Iterable[HeldVersionView]) -> Sequence[LiveDownloads]:
    """Return the downloads of the versions, the most recent first. Raises Forbidden without the role auditor."""
    wanted = {(one["affected"]["model"], one["affected"]["number"]) for one in live}
    found: dict[tuple[str, int, str, str], LiveDownloads] = {}
    for name in sorted({model for model, _ in wanted}):
        for row in registry.audit.downloads(model=name):
            model, number, actor = row["model"], row["number"], row["actor"]
            if model is None or number is None or actor is None or (model, number) not in wanted:
                continue
            key = (model, number, actor["name"], row["address"])
            one = found.setdefault(key, LiveDownloads(
                model=model, number=number, account=actor["name"], address=row["address"], count=0, last_at=""
            ))  # fmt: skip
            one["count"] += row["count"]
            one["last_at"] = max(one["last_at"], row["last_at"])
    return sorted(found.values(), key=lambda one: one["last_at"], reverse=True)


def lines(downloads: Sequence[LiveDownloads]) -> Iterator[str]:
    """Yield a line for each of them."""
    if not downloads:
        yield "  fetched by none in the last 30 days"
    for one in downloads:
        times = output.count(one["count"], "request")
        who = f"{one['model']}:{one['number']} by {one['account']} at {one['address']}"
        yield f"  fetched {who} ({times}, the last {output.when(one['last_at'])})"
