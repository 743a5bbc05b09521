"""Logs, counts and traces of the running service, and what its processes share for them.

Importing this package imports nothing else: gunicorn's master uses ``processes`` and stays small.
"""
