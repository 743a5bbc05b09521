"""A model registry: named models, immutable versions, enforced stages, rollback, lineage, and a log of it all.

    wsgi | cli                  entry points
    serve                       gunicorn around the app
    worker                      the background loop
    app                         composition root: settings -> adapters -> Flask app
    api                         the HTTP face: parse, authorise, call one service, render
    services                    one public function for each use case; each opens the one transaction
    storage | auth              adapters: bytes, identities
    db                          rows and named queries; transaction()
    config | telemetry          settings; logs
    domain                      rules as plain Python
    client                      the SDK: imports none of the above

A layer imports only those below it; import-linter holds that. Where to look:

    what is allowed             domain/stages.py (moves, rollback), domain/names.py, domain/access.py
    how a promotion happens     api/v1/stages.py -> services/stages.py -> domain/stages.py
    how bytes get in            services/uploads.py -> services/completion.py -> services/registration.py
    who verifies them           storage/checked.py (at once), services/verification.py (workers)
    how bytes get out of use    services/collection.py; services/scrubbing.py looks after the others
    what history holds          domain/audit.py, services/audit.py
    what a table means          db/models/
"""
