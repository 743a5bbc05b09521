"""Moves in a dialog: refused, corrected and done, with the keyboard's focus where it belongs."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from tests.support.browser import Tab
from tests.support.registry_builder import RegistryBuilder


def test_a_promotion_in_a_dialog_is_refused_as_stale_and_then_done(
    built: RegistryBuilder, address: str, scripted: Tab
) -> None:
    files = [built.file()]
    for number, stage in enumerate(("production", "staging", "staging")):
        built.model("dialogs").version(stage=stage, files=files, run={"system": "ci", "id": f"{number}"})
    page, dialog = scripted.page, scripted.page.get_by_role("dialog")
    scripted.open(f"{address}/models/dialogs")
    page.get_by_role("link", name="Promote version 3…").click()
    expect(dialog.get_by_text("✓ Files of version 3: the only one is in the store.")).to_be_visible()
    assert scripted.faults() == []
    built.model("dialogs").move(2, "production", reason="faster")

    dialog.get_by_label("Reason, shown in the history").fill("approved")
    dialog.get_by_role("button", name="Move", exact=True).click()
    expect(dialog.get_by_role("alert")).to_be_focused()
    expect(dialog.get_by_role("alert")).to_contain_text("Refused: another change came first.")
    assert dialog.get_by_role("radio", checked=True).count() == 0
    refused = scripted.faults(status=409)
    dialog.get_by_role("radio", name="production").check()
    dialog.get_by_role("button", name="Move", exact=True).dblclick()

    expect(page.get_by_role("status").first).to_contain_text("dialogs:3 is in production since")
    assert refused == []
    assert built.model("dialogs").actions().count("version.promoted") == 4 + 1 + 1


def test_a_rollback_that_the_store_does_not_answer_can_be_tried_again_in_the_dialog(
    built: RegistryBuilder, address: str, scripted: Tab, storage_root: Path
) -> None:
    files = [built.file() for _ in range(2)]
    for file in files:
        built.model("unanswered").version(stage="production", files=[file])
    sha256 = files[0]["sha256"]
    (stored,) = (storage_root / "blobs" / sha256[:2] / sha256).iterdir()
    content = stored.read_bytes()
    stored.unlink()
    stored.symlink_to(stored)  # a file system that answers with an error
    page, dialog = scripted.page, scripted.page.get_by_role("dialog")
    scripted.open(f"{address}/models/unanswered")
    page.get_by_role("link", name="Roll back…").click()
    expect(dialog.get_by_text("✗ production is unchanged")).to_be_visible()

    dialog.get_by_label("Reason, shown in the history").fill("latency")
    dialog.get_by_role("button", name="Roll back now").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Nothing was changed")
    stored.unlink()
    stored.write_bytes(content)
    dialog.get_by_role("button", name="Try again").click()

    expect(page.get_by_role("status").first).to_contain_text("unanswered:1 is in production since")
