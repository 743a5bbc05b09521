"""The front of a worker process: its connections, their deadlines, and which request may take a thread.

A gunicorn worker class. One loop reads requests and writes responses without a thread, however slow a client is; a
thread is taken only by a request that is complete. What cannot be held in memory (large uploads and downloads) takes a
bounded share of the threads. ``registry.front.worker`` is what gunicorn's configuration names.
"""
