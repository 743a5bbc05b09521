"""States in which something is open over a page or has just been done, and those of sessions."""

from __future__ import annotations

import hashlib

from playwright.sync_api import expect

from tests.browser.states.refusals import WHY
from tests.browser.states.state import State, Visit
from tests.support.replies import expect as expect_status


def _move_dialog(visit: Visit) -> None:
    visit.open(visit.site.read.path)
    dialog = visit.open_dialog("Promote version 1…")
    expect(dialog).to_contain_text("is in the store.")


def _rollback_dialog(visit: Visit) -> None:
    visit.open(visit.site.read.path)
    dialog = visit.open_dialog("Roll back…")
    expect(dialog).to_contain_text("is in the store.")


def _archive_dialog(visit: Visit) -> None:
    visit.open(visit.site.read.path)
    visit.open_dialog("Archive…")


def _edge_dialog(visit: Visit) -> None:
    visit.open(f"{visit.site.learned.path}/versions/1/lineage")
    visit.open_dialog("Retract…")


def _lineage_dialog(visit: Visit) -> None:
    visit.open(f"{visit.site.learned.path}/versions/1/lineage")
    visit.open_dialog("Add to the lineage…")


def _data_dialog(visit: Visit) -> None:
    visit.open(f"{visit.site.learned.path}/versions/1/lineage")
    visit.open_dialog("Add its origin…")


def _reproducibility_dialog(visit: Visit) -> None:
    visit.open(f"{visit.site.learned.path}/versions/1")
    visit.open_dialog("of 7 recorded")


def _keys(visit: Visit) -> None:
    visit.open("/search/versions")
    visit.page.get_by_text("Keys of filters").click()


def _best(visit: Visit) -> None:
    model = visit.site.model("production", "staging", datasets=[])
    digest = f"sha256:{hashlib.sha256(model.name.encode()).hexdigest()}"
    for number in (1, 2):
        body = {"metrics": {"auc": 0.9 + number / 100}, "dataset_digest": digest, "dataset_name": "test.csv"}
        expect_status(201, visit.site.builder.client.post(f"{model.path}/versions/{number}/metrics", body))
    visit.open("/search/versions")
    visit.page.get_by_text("Best versions by a metric").click()
    visit.send("Show the best", best="auc", on=digest)


def _retracted(visit: Visit) -> None:
    model = visit.site.model("none")
    visit.open(f"{model.path}/versions/1/lineage")
    visit.send("Retract the edge", within=visit.open_dialog("Retract…"), reason="named by mistake")


def _refused_dialog(visit: Visit) -> None:
    model = visit.site.served()
    visit.open(model.path)
    dialog = visit.open_dialog("Promote version 3…")
    dialog.get_by_label("production", exact=True).check()
    model.move(2, "production", reason="faster")
    visit.send("Move", within=dialog, reason=WHY)


def _notice(visit: Visit) -> None:
    model = visit.site.served()
    visit.open(f"{model.path}/versions/3/stage?to=production")
    visit.send("Move", reason=WHY)


def _brought_up_to_date(visit: Visit) -> None:
    model = visit.site.served()
    visit.open(model.path)
    model.move(3, "production")
    visit.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def _suggestions(visit: Visit) -> None:
    name = visit.site.read.name
    visit.open("/models")
    box = visit.page.get_by_label("Search models and versions")
    box.fill(name)
    expect(visit.page.get_by_role("option").first).to_be_visible()
    box.press("ArrowDown")


def _keyboard_focus(visit: Visit) -> None:
    visit.open("/models")
    visit.page.keyboard.press("Tab")


def _menu(visit: Visit) -> None:
    visit.open("/models", role="promoter")
    visit.page.locator("details.menu summary").click()


def _unfolded(visit: Visit) -> None:
    visit.open(visit.site.read.path)
    visit.page.get_by_text("As a table (").click()


def _copied(visit: Visit) -> None:
    visit.page.context.grant_permissions(["clipboard-write"])
    visit.open(visit.site.read.path)
    visit.page.get_by_role("button", name="Copy", exact=True).first.click()


def _dark_by_choice(visit: Visit) -> None:
    visit.open("/settings")
    visit.page.get_by_label("Dark").check()
    visit.send("Save")


def _logged_out(visit: Visit) -> None:
    visit.open("/models", role="reader")
    visit.page.locator("details.menu summary").click()
    visit.page.get_by_role("button", name="Log out").click()


def _login_refused(visit: Visit) -> None:
    visit.tab.open(f"{visit.site.guarded}/login")
    visit.send("Log in", token="mrp_wrong")


def _login_asked(visit: Visit) -> None:
    visit.tab.open(f"{visit.site.guarded}{visit.site.read.path}")


def _token_shown_once(visit: Visit) -> None:
    visit.open("/tokens/new")
    visit.page.get_by_label("Acts as").fill("ann")
    visit.page.get_by_label("reader").check()
    visit.send("Create the token")


def _revoked(visit: Visit) -> None:
    _token_shown_once(visit)
    visit.page.get_by_role("link", name="All tokens").click()
    visit.page.get_by_role("row", name="ann").get_by_role("link", name="Revoke…").first.click()
    visit.page.locator("main [name=reason]").fill("lost")
    visit.page.locator("main button").last.click()


def _sessions(visit: Visit) -> None:
    visit.open("/me", role="promoter")


def _verified(visit: Visit) -> None:
    visit.open(f"{visit.site.read.path}/history")
    visit.page.get_by_text("Verify the chain").click()


STATES = [
    State("the dialog of a move", _move_dialog, "version 2 leaves production", where="dialog"),
    State("the dialog of a rollback", _rollback_dialog, "; the default", where="dialog", is_examined=True),
    State("the dialog of an archiving", _archive_dialog, "Archive older versions", where="dialog"),
    State("the dialog of an edge", _edge_dialog, "Retracting leaves the edge out of answers", where="dialog"),
    State("the dialog that adds to the lineage", _lineage_dialog, "stays as it is", where="dialog", is_examined=True),
    State("the dialog of the origin of data", _data_dialog, "Data is identified by its digests", where="dialog"),
    State("the dialog of reproducibility", _reproducibility_dialog, "requirements are met.", where="dialog"),
    State("an edge that was retracted", _retracted, "is retracted now.", where=".notice"),
    State("a dialog that was refused", _refused_dialog, "Refused: another change", 409, where="dialog"),
    State("a notice", _notice, "Version 1 was archived.", where=".notice"),
    State("a page brought up to date", _brought_up_to_date, "This page was updated.", where="#live"),
    State("suggestions", _suggestions, "model", where="[role=option][aria-selected=true]"),
    State(
        "the focus of the keyboard", _keyboard_focus, "Skip to the content", where=":focus-visible", is_examined=True
    ),
    State("the menu", _menu, "Log out", where="details.menu[open]"),
    State("the best versions", _best, "auc, the highest value first"),
    State("the keys of filters", _keys, "lineage.missing", where="details[open]"),
    State("an unfolded table", _unfolded, "in production and staging, newest first", where="details[open]"),
    State("a copied text", _copied, "Copied.", where="#live"),
    State(
        "a theme that was chosen",
        _dark_by_choice,
        "The settings were saved in this browser.",
        where=".notice",
        is_examined=True,
    ),
    State("the login", _login_asked, "The session lasts 12 hours"),
    State("a login that was refused", _login_refused, "Not logged in", 401),
    State("a logout", _logged_out, "You are logged out."),
    State("the sessions of an account", _sessions, "this one"),
    State("a token that is shown once", _token_shown_once, "Copy it now; it cannot be shown again.", is_examined=True),
    State("a token that was revoked", _revoked, "of ann was revoked.", where=".notice"),
    State("a verified history", _verified, "Chain of"),
]
