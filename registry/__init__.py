"""A model registry: named models, immutable versions, enforced stages, rollback, lineage, and a log of it all.

    wsgi | cli | plugin         entry points; the plugin is MLflow's
    serve | front               gunicorn around the app; its worker class: connections, deadlines, threads
    worker                      the background loop
    app                         composition root: settings -> adapters -> Flask app
    api | mlflow                the two HTTP faces: parse, call one service, render; ours, and MLflow's protocol
    http                        what both share: the gate, who asks, bodies
    services                    one public function for each use case; each opens the one transaction
    storage | auth | tracking   adapters: bytes, tokens and failed logins, MLflow's tracking servers
    db                          rows and named queries; transaction(); the database's clock, rights and commit order
    config | telemetry          settings; logs, counts
    domain                      rules as plain Python
    client                      the SDK: imports none of the above
    rules                       what service and client both check: paths, texts, lists of files

A layer imports only those below it; import-linter holds that. Where to look:

    what is allowed             domain/stages.py (moves, rollback), domain/names.py, domain/confusables.py,
                                domain/access.py, rules/paths.py
    who may change production   services/authority.py, services/protection.py (aliases)
    slow and hostile clients    front/worker.py, front/limits.py, front/shares.py; http/bodies.py;
                                db/queries/pages.py (4 MiB a page)
    how a promotion happens     api/v1/stages.py or mlflow/stages.py -> services/stages.py -> domain/stages.py
    how bytes get in            services/uploads.py -> services/completion.py -> services/registration.py
    … from MLflow's clients     mlflow/creation.py -> services/artifacts.py, services/tracking.py, services/filling.py;
                                mlflow/arrival.py (while they wait), services/run_refreshes.py (after the run's end)
    what a filter means         domain/filters/ -> db/queries/search.py
    who verifies them           storage/checked.py (at once), services/verification.py (workers)
    how bytes get out of use    services/collection.py; services/scrubbing.py looks after the others
    whose the store is          domain/ownership.py, services/ownership.py; services/restoration.py (epochs)
    jobs that fail again        services/leases.py (attempts), services/jobs.py (parked ones)
    how a write happens once    api/replies.py -> services/unit_of_work.py -> services/idempotency.py; db/retry.py
    what history holds          domain/audit.py, services/audit/recording.py
    how history is proved       services/audit/verification.py -> domain/replay/; db/grants.py (PostgreSQL's roles)
    what time it is             db/times.py, services/audit/clocks.py
    what is refused to whom     auth/login_failures.py, services/refusals.py
    what a log may show         telemetry/scrubbing.py, telemetry/line_writer.py
    what a table means          db/models/
"""
