"""Registration of the pages with the app."""

from __future__ import annotations

from flask import Flask

from registry.web import assets, environment, errors, views
from registry.web.blueprint import blueprint


def register(app: Flask) -> None:
    """Add the pages and their files to *app*, and the filters and functions of their templates."""
    views.load()
    assets.files()
    environment.prepare(app)
    errors.register(app)
    app.register_blueprint(blueprint)
