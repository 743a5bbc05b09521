"""States of pages that are opened by their address: errors, lists, models, versions, files and comparisons."""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.browser.states.site import Site
from tests.browser.states.state import State, Visit
from tests.support.replies import expect


def _at(path: str, *, role: str | None = None) -> Callable[[Visit], None]:
    return lambda visit: visit.open(path, role=role)


def _of(model: Callable[[Site], str], path: str = "") -> Callable[[Visit], None]:
    """The way to a page of a model."""
    return lambda visit: visit.open(model(visit.site) + path)


def _read(site: Site) -> str:
    return site.read.path


def _unusual(site: Site) -> str:
    return site.unusual.path


def _thousand(site: Site) -> str:
    return site.thousand.path


def _hostile(site: Site) -> str:
    return site.hostile.fill("/models/{model}")


def _learned(site: Site) -> str:
    return site.learned.path


def _deleted_model(visit: Visit) -> None:
    model = visit.site.model("archived")
    expect(200, visit.site.builder.client.delete(f"{model.path}?reason=obsolete"))
    visit.open(model.path)


def _deleted_models(visit: Visit) -> None:
    _deleted_model(visit)
    visit.open("/models?deleted=true")


def _deleted_version(visit: Visit) -> None:
    model = visit.site.model("none")
    expect(200, visit.site.builder.client.delete(f"{model.path}/versions/1?reason=obsolete"))
    visit.open(f"{model.path}/versions/1")


def _open_lifecycle(visit: Visit) -> None:
    model = visit.site.served()
    expect(200, visit.site.builder.client.patch(model.path, {"lifecycle": "open"}))
    model.move(2, "production")
    visit.open(model.path)


def _rolled_back(visit: Visit) -> None:
    model = visit.site.model("production", "production")
    model.rollback(reason="p99 latency doubled")
    visit.open(f"{model.path}/versions/2")


def _without_versions(visit: Visit) -> None:
    name = f"without versions {visit.site.new_number()}"
    visit.site.builder.create_model(name)
    visit.open(f"/models/{name}")


def _without_facts(visit: Visit) -> None:
    model = visit.site.builder.model(f"model-{visit.site.new_number()}")
    visit.open(f"{model.path}/versions/{model.version()}")


def _older(visit: Visit) -> None:
    visit.open(visit.site.thousand.path)
    visit.page.get_by_role("link", name="Older versions").click()
    visit.page.wait_for_url(re.compile("cursor="))


def _compared(numbers: str, *options: str) -> Callable[[Visit], None]:
    def reach(visit: Visit) -> None:
        name = visit.site.thousand.name if len(numbers) > 5 else visit.site.read.name
        refs = [f"v={name}:{number}" for number in numbers]
        visit.open(f"/compare?{'&'.join([*refs, *options])}")

    return reach


STATES = [
    # Errors
    State("an address that is no page", _at("/nothing"), "There is no page at this address.", 404),
    State("a model that does not exist", _at("/models/absent"), "Not found", 404),
    State("a version that does not exist", _of(_read, "/versions/99"), "Not found", 404),
    State("the audit log for a reader", _at("/audit", role="reader"), "Not allowed", 403),
    # Lists
    State(
        "a filter with a mistake", _at("/models?filter=name+%3D+5"), "expected a text in quotes", 422, is_examined=True
    ),
    State("a key that nothing has", _at("/models?filter=tags.nothing+%3D+%27a%27"), "Unknown value", 400),
    State("no model that matches", _at("/models?filter=zzz"), "No model matches."),
    State(
        "no version that matches",
        _at("/search/versions?filter=stage+%3D+%27staging%27+AND+version_number+%3E+9999"),
        "No version matches.",
    ),
    State("deleted models", _deleted_models, "Deleted models"),
    State("changes of a wrong time", _at("/changes?since=yesterday"), "is no time; write", 422),
    State("no changes", _at("/changes?until=2001-01-01"), "No change matches."),
    State("no inventory so early", _at("/inventory?as_of=2001-01-01"), "no version of any model held production"),
    State("an inventory of the future", _at("/inventory?as_of=2999-01-01"), "is in the future", 422),
    State("data that no lineage names", _at(f"/lineage/impact?digest=sha256:{'cd' * 32}"), "no lineage names", 404),
    # Models
    State("a model with 1,000 versions", _of(_thousand), "Older versions"),
    State("older versions", _older, "v950"),
    State("metrics of 1,000 versions", _of(_thousand, "/metrics?key=auc&last=1000"), "auc"),
    State("no version in a stage", _of(_unusual, "?stage=archived"), "No version is in stage archived."),
    State("a deleted model", _deleted_model, "Its versions, history and name are kept."),
    State("an open lifecycle", _open_lifecycle, "several versions can be in production"),
    State("a model without versions", _without_versions, "No version yet. Register the first:"),
    State("a hostile model", _of(_hostile), "<script>alert('owned')</script>"),
    State("no aliases", _of(_unusual, "/aliases"), "No alias is set."),
    State("no tenure in a stage", _of(_unusual, "/tenures?stage=archived"), "No version held archived yet."),
    # Versions
    State("a version beside the one in production", _of(_read, "/versions/4"), "against v2 in production"),
    State("a pending version", _of(_unusual, "/versions/2"), "a worker verifies the others."),
    State("a failed version", _of(_unusual, "/versions/3"), "Reason: the bytes of model.bin differ"),
    State("an unverified version", _of(_unusual, "/versions/4"), "files unknown"),
    State("an imported version", _of(_unusual, "/versions/5"), "Facts from the source registry"),
    State("a damaged version", _of(_unusual, "/versions/6"), "are missing or corrupt", is_examined=True),
    State("damaged files", _of(_unusual, "/versions/6/files"), "1 damaged"),
    State("a damaged file", _of(_unusual, "/versions/6/files/weights/lost.bin"), "No preview"),
    State(
        "files that are not known", _of(_unusual, "/versions/4/files"), "The files of this version are not recorded."
    ),
    State("a version without facts", _without_facts, "No measurements. Add a value:"),
    State("no origin", _of(_unusual, "/versions/6/lineage"), "No lineage is recorded:"),
    State(
        "edges asserted later", _of(_learned, "/versions/1/lineage?depth=3"), "Dashed: asserted after the registration."
    ),
    State(
        "retracted edges", _of(_learned, "/versions/1/lineage?retracted=1"), "retracted by local-dev", is_examined=True
    ),
    State(
        "no retracted edges", _of(_read, "/versions/2/lineage?retracted=1"), "No edge that starts at one of these nodes"
    ),
    State("a rolled back version", _rolled_back, re.compile(r"Rolled back (just now|\d+ seconds ago) by local-dev")),
    State("a deleted version", _deleted_version, re.compile(r"Deleted (just now|\d+ seconds ago) by local-dev")),
    State("a hostile version", _of(_hostile, "/versions/3"), "<script>alert('owned')</script>"),
    # Comparisons
    State("a comparison of six versions", _compared("123456"), "baseline", is_examined=True),
    State("a comparison with what is equal", _compared("23", "all"), "All facts"),
    State("a comparison of the same", _compared("22"), "The files and all recorded facts are the same."),
    State("a comparison of one version", _compared("2"), "Choose two to six"),
]
