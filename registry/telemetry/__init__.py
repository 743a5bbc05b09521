"""What the service tells of itself while it runs: logs, counts, traces, and what its processes share for that.

Importing this package imports nothing else: gunicorn's master uses ``processes`` and stays small.
"""
