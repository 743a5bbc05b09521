"""``registry open``: a page of the registry in the browser."""

from __future__ import annotations

import webbrowser
from typing import TYPE_CHECKING

import click

from registry.cli.support import output, pages
from registry.cli.support.options import connected
from registry.cli.support.parsing import REFERENCE
from registry.cli.support.session import Session

if TYPE_CHECKING:
    from registry.rules.references import Reference


@click.command("open")
@click.argument("ref", type=REFERENCE, required=False)
@click.option("--print", "only_print", is_flag=True, help="Print the address without opening a browser.")
@connected
def open_(session: Session, ref: Reference | None, only_print: bool) -> None:
    """Open the page of a model, or of the version that REF names, in the browser. Without REF: the home page.

    The address is printed on stdout.

    \b
    Example:
      registry open fraud:3
      registry open fraud#production
      registry open fraud@champion --print
    """
    registry = session.registry
    if ref is None:
        registry.me()
        path = "/"
    elif ref.bare:
        path = pages.of(ref, None)
        registry.models.get(ref.model)
    else:
        path = pages.of(ref, registry.versions.get(ref.model, registry.number(ref))["number"])
    address = registry.url + path
    if not registry.has_pages:
        raise click.ClickException(
            f"{registry.url} has no pages: REGISTRY_WEB is false there, or it is of an earlier release."
        )
    is_open = not only_print and webbrowser.open(address)
    session.show({"page": address, "opened": is_open}, lambda: output.line(address))
    if not only_print and not is_open and not session.as_json:
        output.note("No browser was found on this machine; open the address elsewhere.")
