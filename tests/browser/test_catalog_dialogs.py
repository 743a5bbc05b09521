"""Forms of the catalogue in a dialog: refused, corrected and done; closed by Escape, with the focus back."""

from __future__ import annotations

from playwright.sync_api import Browser, expect

from tests.support.browser import tab
from tests.support.registry_builder import RegistryBuilder


def test_a_model_is_created_edited_and_deleted_in_dialogs(
    built: RegistryBuilder, address: str, chromium: Browser
) -> None:
    built.create_model("taken")
    with tab(chromium, viewport={"width": 390, "height": 800}) as opened:
        page, dialog = opened.page, opened.page.get_by_role("dialog")
        opened.open(f"{address}/models")
        new = page.get_by_role("link", name="New model…")
        new.press("Enter")
        expect(dialog.get_by_label("Name")).to_be_focused()
        opened.shoot("dialog-new-model")
        assert opened.faults() == []
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        expect(new).to_be_focused()

        new.click()
        dialog.get_by_label("Name").fill("taken")
        dialog.get_by_label("Description").fill("Scores cards.")
        dialog.get_by_role("button", name="Create the model").click()
        expect(dialog.get_by_role("alert")).to_be_focused()
        assert [fault for fault in opened.faults() if "409" not in fault] == []
        dialog.get_by_label("Name").fill("fresh")
        dialog.get_by_role("button", name="Create the model").dblclick()
        expect(page.get_by_role("status").first).to_have_text("fresh was created.")

        page.get_by_role("link", name="Edit…").click()
        expect(dialog.get_by_label("Description")).to_have_value("Scores cards.")
        dialog.get_by_label("Key 1").fill("team")
        dialog.get_by_label("Value 1").fill("risk")
        dialog.get_by_role("button", name="Save").click()
        expect(page.get_by_text("team=risk")).to_be_visible()

        page.get_by_role("link", name="Delete…").click()
        dialog.get_by_role("link", name="Cancel").click()
        expect(dialog).to_be_hidden()
        page.get_by_role("link", name="Delete…").click()
        dialog.get_by_label("Reason").fill("a mistake")
        dialog.get_by_role("button", name="Delete the model").click()
        expect(page.get_by_text("“a mistake”")).to_be_visible()


def test_the_form_of_a_page_and_that_of_its_dialog_have_separate_fields(
    built: RegistryBuilder, address: str, chromium: Browser
) -> None:
    built.model("aliased").version()
    with tab(chromium) as opened:
        page, dialog = opened.page, opened.page.get_by_role("dialog")
        opened.open(f"{address}/models/aliased")
        page.get_by_role("link", name="Aliases…").click()
        dialog.get_by_label("Alias", exact=True).fill("champion")
        dialog.get_by_label("Version").fill("1")
        dialog.get_by_role("button", name="Set the alias").click()
        page.get_by_role("link", name="@champion").click()

        page.get_by_role("link", name="Delete…").click()
        dialog.get_by_label("Reason").fill("not needed")
        assert opened.faults() == []
        dialog.get_by_role("button", name="Delete the alias").click()
        expect(page.get_by_role("status").first).to_have_text("aliased@champion was deleted.")
        opened.open(f"{address}/models/aliased/versions/1")
        page.get_by_role("link", name="Change the tags").click()
        expect(dialog.get_by_label("Key 1")).to_be_visible()
