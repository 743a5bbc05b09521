"""Resolution of references to versions: ``fraud:9``, ``fraud@champion``, ``fraud#production``, ``fraud``."""

from __future__ import annotations

from collections.abc import Collection

from registry.db.queries import catalog
from registry.db.records import VersionRecord
from registry.db.session import reading
from registry.domain.errors import Invalid, NotFound
from registry.domain.stages import Stage
from registry.rules import names
from registry.rules import references as reference_rules
from registry.rules.references import Reference
from registry.services.catalog import aliases, versions
from registry.services.stages import resolve

LARGEST_NUMBER = 2**31 - 1


def parsed(text: str, *, parameter: str) -> Reference:
    """Parse *text* as a reference. Raises Invalid, which names the *parameter*."""
    try:
        reference = reference_rules.parse(text)
    except ValueError as error:
        raise Invalid.field(parameter, str(error)) from error
    if problem := names.model_name_problem(reference.model):
        raise Invalid.field(parameter, f"{text!r} names no model: a name {problem}")
    return reference


def version_of(reference: Reference, *, protected: Collection[str] = ()) -> VersionRecord:
    """Return the version that the reference names now, in any state; a bare model names its latest. Raises NotFound."""
    return versions.describe(reference.model, number_of(reference, protected=protected))


def number_of(reference: Reference, *, protected: Collection[str] = ()) -> int:
    """Return the number that the reference names now; that of a version is not looked up. Raises NotFound."""
    if reference.version is not None:
        if reference.version > LARGEST_NUMBER:
            raise NotFound(f"the model {reference.model!r} has no version {reference.version}")
        return reference.version
    if reference.stage is not None:
        return resolve.holder(reference.model, Stage(reference.stage)).number
    if reference.alias is not None:
        return aliases.resolve(reference.model, reference.alias, protected=protected).number
    with reading() as session:
        latest = catalog.model(session, reference.model).latest_number
    if latest is None:
        raise NotFound(f"the model {reference.model!r} has no versions yet")
    return latest
