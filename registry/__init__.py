"""A model registry: named models, immutable versions, enforced stages, rollback, lineage, and a log of it all.

    wsgi | cli | plugin         entry points; the plugin is MLflow's
    serve                       gunicorn around the app
    worker                      the background loop
    app                         composition root: settings -> adapters -> Flask app
    api | mlflow                the two HTTP faces: parse, call one service, render; ours, and MLflow's protocol
    http                        what both share: the gate, who asks, bodies
    services                    one public function for each use case; each opens the one transaction
    storage | auth | tracking   adapters: bytes, identities, MLflow's tracking servers
    db                          rows and named queries; transaction()
    config | telemetry          settings; logs, counts
    domain                      rules as plain Python
    client                      the SDK: imports none of the above

A layer imports only those below it; import-linter holds that. Where to look:

    what is allowed             domain/stages.py (moves, rollback), domain/names.py, domain/access.py
    how a promotion happens     api/v1/stages.py or mlflow/stages.py -> services/stages.py -> domain/stages.py
    how bytes get in            services/uploads.py -> services/completion.py -> services/registration.py
    … from MLflow's clients     mlflow/creation.py -> services/artifacts.py, services/tracking.py, services/filling.py
    what a filter means         domain/filters/ -> db/queries/search.py
    who verifies them           storage/checked.py (at once), services/verification.py (workers)
    how bytes get out of use    services/collection.py; services/scrubbing.py looks after the others
    what history holds          domain/audit.py, services/audit/
    what a table means          db/models/
"""
