"""The target for another WSGI server: ``gunicorn -c deploy/gunicorn.conf.py registry.wsgi:app``."""

from registry.api import metrics
from registry.app import create_app
from registry.config import Settings
from registry.db import engine, replica_reads, session, times
from registry.http import refusals
from registry.serve import check_key_and_store
from registry.telemetry import logs, meters, tracing

settings = Settings.load(create=False)
logs.configure(settings.log_format, settings.log_level, secrets=settings.secrets())
app = create_app(settings)
check_key_and_store(app)
database = session.engine_of(app)
meters.watch(database.pool, max_overflow=engine.max_overflow(database.dialect.name))
refusals.watch(app)
metrics.watch(app)
times.guard(app)
replica_reads.watch(app)
if settings.tracing:
    tracing.start()
