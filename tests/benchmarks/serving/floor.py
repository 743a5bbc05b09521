"""The least that a service of this kind can do: bare Flask, and one statement by SQLAlchemy and psycopg."""

from __future__ import annotations

import os

import sqlalchemy as sa
from flask import Flask, Response, json

URL = "FLOOR_DATABASE_URL"
READS = sa.text("SELECT id, name, stage, digest FROM floor WHERE name = :name")
WRITES = sa.text("INSERT INTO floor_writes (name, stage) VALUES (:name, 'none') RETURNING id")
TABLES = """
CREATE TABLE floor (id bigint PRIMARY KEY, name text NOT NULL UNIQUE, stage text NOT NULL, digest text NOT NULL);
CREATE TABLE floor_writes (id bigserial PRIMARY KEY, name text NOT NULL, stage text NOT NULL);
INSERT INTO floor SELECT i, 'model-' || lpad(i::text, 6, '0'), 'production', md5(i::text)
FROM generate_series(0, %(rows)s - 1) i;
"""


def make_app() -> Flask:
    """One indexed SELECT behind GET, one INSERT and COMMIT behind POST."""
    app = Flask("floor")
    engine = sa.create_engine(os.environ[URL], pool_size=10)

    @app.get("/<name>")
    def read(name: str) -> Response:
        with engine.connect() as connection:
            row = connection.execute(READS, {"name": name}).one()
        return _answer({"id": row.id, "name": row.name, "stage": row.stage, "digest": row.digest})

    @app.post("/<name>")
    def write(name: str) -> Response:
        with engine.begin() as connection:
            number = connection.execute(WRITES, {"name": name}).scalar_one()
        return _answer({"id": number, "name": name})

    return app


def _answer(document: object) -> Response:
    return Response(json.dumps(document), content_type="application/json")
