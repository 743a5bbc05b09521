"""Moves between stages, by reference."""

from __future__ import annotations

from registry.client.fields import UNSET, Expected
from registry.client.lookup import Lookup, reference_of
from registry.client.types import MovedView, Stage
from registry.rules.references import Reference


class Promotion(Lookup):
    """Promotion, rollback and other moves of versions."""

    def move(
        self,
        reference: str | Reference,
        stage: Stage,
        *,
        reason: str,
        expected_current: Expected = UNSET,
        leave_vacant: bool = False,
        dry_run: bool = False,
        idempotency_key: str | None = None,
    ) -> MovedView:
        """Move the version that *reference* means to *stage*; see ``stages.move``.

        A bare model is a ValueError: a change must name the version.
        """
        named = reference_of(reference)
        if named.bare:
            raise ValueError(f"name a version: {named}:1, {named}@alias or {named}#staging")
        return self.stages.move(
            named.model,
            self.number(named),
            stage,
            reason=reason,
            expected_current=expected_current,
            leave_vacant=leave_vacant,
            dry_run=dry_run,
            idempotency_key=idempotency_key,
        )

    def promote(
        self,
        reference: str | Reference,
        to: Stage = "production",
        *,
        reason: str,
        expected_current: Expected = UNSET,
        dry_run: bool = False,
        idempotency_key: str | None = None,
    ) -> MovedView:
        """Move a version to staging or production (*to*); the version that holds production is archived.

        *expected_current* refuses with Stale when another version holds it. Raises IllegalTransition, GatesUnmet,
        NotReady or BlobsMissing.
        """
        return self.move(
            reference,
            to,
            reason=reason,
            expected_current=expected_current,
            dry_run=dry_run,
            idempotency_key=idempotency_key,
        )

    def rollback(
        self,
        model: str,
        *,
        reason: str,
        to: int | None = None,
        expected_current: Expected = UNSET,
        dry_run: bool = False,
        without_store_check: bool = False,
        idempotency_key: str | None = None,
    ) -> MovedView:
        """Return production to its previous good holder, or to version *to*; see ``stages.roll_back``."""
        return self.stages.roll_back(
            model,
            reason=reason,
            to=to,
            expected_current=expected_current,
            dry_run=dry_run,
            without_store_check=without_store_check,
            idempotency_key=idempotency_key,
        )
