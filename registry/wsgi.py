"""The target for a WSGI server of your own: ``gunicorn -c deploy/gunicorn.conf.py registry.wsgi:app``."""

from registry import telemetry
from registry.app import create_app
from registry.config import Settings

settings = Settings.load()
telemetry.configure(settings.log_format, settings.log_level)
app = create_app(settings)
