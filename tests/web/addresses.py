"""One address of every page, for the tests of what holds for all of them.

``{model}`` is a model with a hostile name, whose version 2 is in production and version 3 in staging; ``{digest}`` is
the digest of the data that version 3 was trained on.
"""

from __future__ import annotations

PAGES = {
    "web.compare": "/compare?v={model}:2&v={model}%23staging&v={model}:1&all",
    "web.metrics": "/models/{model}/metrics?key=auc&key=%3Cb%3E",
    "web.measurements": "/models/{model}/versions/2/metrics",
    "web.model": "/models/{model}",
    "web.version": "/models/{model}/versions/3",
    "web.files": "/models/{model}/versions/3/files",
    "web.file": "/models/{model}/versions/3/files/README.md",
}
NO_PAGES = {
    "web.compare": "/compare?v={model}:2&v={model}%23staging&v={model}:1&all",
    "web.metrics": "/models/{model}/metrics?key=auc&key=%3Cb%3E",
    "web.measurements": "/models/{model}/versions/2/metrics",
    "web.asset": "a file",
}
"""Endpoints that answer with something else than a page."""
