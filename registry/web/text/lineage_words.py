"""Edges of the lineage in words."""

from __future__ import annotations

from datetime import datetime

from registry.db.records import EdgeRecord
from registry.services.lineage.graph import GraphEdge
from registry.web.text import words


def relation(kind: str, role: str | None) -> str:
    """Return the relation of an edge: ``used (train)``."""
    text = kind.replace("_", " ")
    return f"{text} ({role})" if role else text


def asserted(edge: GraphEdge, *, now: datetime) -> str:
    """Return who asserted an edge after the registration, and when; empty for one of a registration."""
    if not edge.asserted_later or edge.asserted_at is None:
        return ""
    return f"asserted by {account(edge.asserted_by)} {words.ago(edge.asserted_at, now=now)}"


def latest(edge: EdgeRecord, *, now: datetime) -> str:
    """Return the latest statement about an edge: ``retracted by ana 2 days ago``."""
    statement = edge.statements[-1]
    return f"{statement.verb} by {account(statement.actor)} {words.ago(statement.at, now=now)}"


def account(name: str | None) -> str:
    """Return the name of an account that made a statement."""
    return "an erased account" if name is None else words.clean(name)
