"""Words of lineage that clients have without the service's enums."""

from __future__ import annotations

from registry.domain.lineage import DatasetRole, Derivation
from registry.domain.lineage_exports.facts import ExportFormat
from registry.rules.lineage_kinds import DATASET_ROLES, DERIVATIONS, EXPORT_FORMATS


def test_clients_and_the_service_know_the_same_roles_derivations_and_formats() -> None:
    assert tuple(role.value for role in DatasetRole) == DATASET_ROLES
    assert tuple(relation.value for relation in Derivation) == DERIVATIONS
    assert tuple(form.value for form in ExportFormat) == EXPORT_FORMATS
