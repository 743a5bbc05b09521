"""How fast the service answers, beside MLflow's server and beside the least that such a service can do.

    python -m tests.benchmarks.serving [--only serving|startup|scale] [--help]

It starts a private PostgreSQL with real fsync, and on it this service (native API and MLflow face), a stock MLflow
server and a floor (Flask and one statement), fills equal catalogues by SQL, and drives them by turns with clients that
keep their connections and acknowledge at once (TCP_QUICKACK). Every status is checked, and the first answer of every
connection for the right content.
"""
