"""States of forms that were refused."""

from __future__ import annotations

from registry.http.access import SESSION_COOKIE
from tests.browser.states.state import State, Visit
from tests.support.replies import expect
from tests.support.worker_results import change_version

WHY = "AUC is better"


def _forbidden_page(visit: Visit) -> None:
    visit.open(f"{visit.site.read.path}/rollback", role="writer")


def _forbidden_choice(visit: Visit) -> None:
    visit.open(f"{visit.site.read.path}/versions/3/stage", role="writer")


def _illegal(visit: Visit) -> None:
    model = visit.site.served()
    visit.open(f"{model.path}/versions/2/stage?to=none")
    model.move(2, "archived")
    visit.send("Move", reason=WHY)


def _stale(visit: Visit) -> None:
    model = visit.site.served()
    visit.open(f"{model.path}/versions/2/stage?to=production")
    model.move(3, "production", reason="faster")
    visit.send("Move", reason=WHY)


def _not_ready(visit: Visit) -> None:
    model = visit.site.served()
    visit.open(f"{model.path}/versions/2/stage?to=production")
    change_version(visit.site.dev_app, model.name, 2, state="pending")
    visit.send("Move", reason=WHY)


def _blobs_missing(visit: Visit) -> None:
    file = visit.site.builder.file()
    model = visit.site.model("production", "staging", files=[file])
    visit.open(f"{model.path}/versions/2/stage?to=production")
    visit.site.stored(file["sha256"]).unlink()
    visit.send("Move", reason=WHY)


def _store_away(visit: Visit) -> None:
    file = visit.site.builder.file()
    model = visit.site.model("production", "production", files=[file])
    stored = visit.site.stored(file["sha256"])
    stored.unlink()
    stored.symlink_to(stored)  # a file system that answers with an error
    visit.open(f"{model.path}/rollback")
    visit.send("Roll back now", reason=WHY)


def _no_way_back(visit: Visit) -> None:
    visit.open(f"{visit.site.unusual.path}/rollback")


def _no_previous(visit: Visit) -> None:
    model = visit.site.model("production", "production")
    visit.open(f"{model.path}/rollback")
    expect(200, visit.site.builder.client.delete(f"{model.path}/versions/1?reason=obsolete"))
    visit.send("Roll back now", reason=WHY)


def _in_use(visit: Visit) -> None:
    visit.open(f"{visit.site.read.path}/delete")
    visit.page.get_by_label("Reason", exact=False).fill("obsolete")
    visit.page.locator("main button").last.click()


def _two_holders(visit: Visit) -> None:
    model = visit.site.served()
    expect(200, visit.site.builder.client.patch(model.path, {"lifecycle": "open"}))
    model.move(2, "production")
    visit.open(f"{model.path}/lifecycle")
    visit.page.get_by_label("enforced").check()
    visit.page.locator("main button").last.click()


def _changed_since(visit: Visit) -> None:
    model = visit.site.model("none")
    visit.open(f"{model.path}/edit")
    expect(200, visit.site.builder.client.patch(model.path, {"description": "another text"}))
    visit.send("Save", description="my text")


def _name_taken(visit: Visit) -> None:
    visit.open("/new/model")
    visit.page.get_by_label("Name").fill(visit.site.read.name)
    visit.page.locator("main button").last.click()


def _invalid(visit: Visit) -> None:
    visit.open("/new/model")
    visit.page.get_by_label("Name").fill("a/b")
    visit.page.locator("main button").last.click()


def _nothing_said(visit: Visit) -> None:
    visit.open(f"{visit.site.read.path}/versions/3/stage?to=archived")
    visit.send("Move", reason=" ")


def _no_roles(visit: Visit) -> None:
    visit.open("/tokens/new")
    visit.page.get_by_label("Acts as").fill("ann")
    visit.send("Create the token")


def _alias_unknown_version(visit: Visit) -> None:
    visit.open(f"{visit.site.read.path}/aliases")
    visit.page.locator("[name=alias]").fill("champion")
    visit.page.locator("[name=version]").fill("99")
    visit.page.locator("main button[type=submit]").last.click()


def _cycle(visit: Visit) -> None:
    model = visit.site.model("none")
    visit.open(f"{model.path}/versions/1/lineage")
    dialog = visit.open_dialog("Add to the lineage…")
    visit.send("Add to the lineage", within=dialog, parent=f"{model.name}:1")


def _session_ended(visit: Visit) -> None:
    visit.open(f"{visit.site.read.path}/edit", role="writer")
    visit.take_cookie(SESSION_COOKIE, "mrs_ended")
    visit.send("Save", reason=WHY)


def _database_away(visit: Visit) -> None:
    visit.tab.open(f"{visit.site.away()}/models")


def _defect(visit: Visit) -> None:
    model = visit.site.model("none")
    change_version(visit.site.dev_app, model.name, 1, stage="nowhere")
    visit.open(f"{model.path}/versions/1")


STATES = [
    State("a page that the role may not open", _forbidden_page, "Not allowed", 403, is_examined=True),
    State("a choice that the role does not have", _forbidden_choice, "Promoting it requires the role promoter."),
    State("an illegal move", _illegal, "Refused: the lifecycle does not allow this move.", 409),
    State("a stale move", _stale, "Refused: another change came first.", 409),
    State("a version that is not ready", _not_ready, "Refused: not ready.", 409),
    State("bytes that are missing", _blobs_missing, "Missing from the store, or corrupt:", 409),
    State("a store that is away", _store_away, "Roll back without the check of the stored files", 503),
    State("no way back", _no_way_back, "There is no version to roll back to."),
    State("a way back that is gone", _no_previous, "version 1 is deleted; only ready versions", 409),
    State("a deletion of what is in use", _in_use, "Refused: in use.", 409, is_examined=True),
    State(
        "a lifecycle that two holders forbid", _two_holders, "versions 1, 2 hold production; archive all but one", 409
    ),
    State("a text that changed since", _changed_since, "Current values", 412, is_examined=True),
    State("a name that is taken", _name_taken, "Refused: the name is taken.", 409),
    State("a mistake beside its field", _invalid, "Refused: a value breaks a rule.", 422, is_examined=True),
    State("a move without a reason", _nothing_said, "enter a reason of 1 to 2000 characters", 422),
    State("a token without roles", _no_roles, "Choose one or more roles.", 422),
    State("an alias of no version", _alias_unknown_version, "Not found.", 404),
    State("an edge that closes a cycle", _cycle, "Refused: the edge would close a cycle.", 409, where="dialog"),
    State("a form whose session ended", _session_ended, "Nothing was sent"),
    State("a database that is away", _database_away, "Nothing was changed. Try again in", 503),
    State("a defect of the registry", _defect, "The log has the details under request id", 500),
]
