"""A model registry: named models, immutable versions, enforced stages, rollback, lineage, and a log of it all.

    wsgi | cli | plugin         entry points; the plugin is MLflow's
    serve | front               gunicorn around the app; its worker class: connections, deadlines, threads
    worker                      the background loop
    app                         composition root: settings -> adapters -> Flask app
    api | mlflow | web          three HTTP faces: parse, call one service, render; ours, MLflow's protocol, and pages
    http                        parts that all share: the gate, identity, bodies
    services                    one public function for each use case; each opens one unit of work
    storage | auth | tracking   adapters: bytes, tokens and failed logins, MLflow's tracking servers
    db                          rows and named queries; transaction(); the database's clock, rights and commit order
    config | telemetry          settings; logs, counts
    domain                      rules as plain Python
    client                      the SDK: imports none of the above
    rules                       rules of service and client: paths, names, texts, lists of files

A layer imports only those below it; import-linter enforces it. Where to look:

    allowed moves and names     domain/stages.py, domain/confusables.py, domain/access.py, rules/names.py,
                                rules/paths.py
    who may change production   services/catalog/authority.py, services/catalog/alias_protection.py
    slow and hostile clients    front/worker.py, front/limits.py, front/connection_counts.py; http/bodies.py;
                                db/queries/pages.py (4 MiB a page)
    how a promotion happens     api/v1/stages.py or mlflow/stages.py -> services/stages/ -> domain/stages.py
    how a write happens once    api/replies.py -> services/unit_of_work.py -> services/idempotency.py; db/retry.py
    how bytes get in            services/uploads/ -> services/catalog/registration.py
    … from MLflow's clients     mlflow/creation.py -> services/artifacts/, services/imports/;
                                mlflow/inline_import.py (while the client waits)
    what a filter means         domain/filters/ -> db/queries/search.py
    who verifies bytes          storage/checked.py (at once), services/uploads/verification.py (workers)
    how bytes are deleted       services/maintenance/garbage_collection.py
    how bytes are kept whole    services/integrity/
    whose the store is          domain/ownership.py, services/integrity/store_ownership.py
    jobs that fail again        services/leases.py (attempts), services/background_jobs.py (parked ones)
    what history holds          domain/audit.py, services/audit/recording.py
    how history is proved       services/audit/verification.py -> domain/replay/; db/grants.py (PostgreSQL's roles)
    time                        db/times.py, services/audit/clocks.py
    refusals                    auth/login_failures.py, services/usage/refusals.py
    contents of the log         telemetry/scrubbing.py, telemetry/line_writer.py
    what a table means          db/models/
"""
