"""One filter language in two dialects: texts in, trees of conditions out.

``mlflow`` reads what MLflow's clients send, as MLflow does; ``native`` a superset with more keys and with OR, NOT and
parentheses. ``terms`` is the tree that both give, ``keys`` what the native dialect knows. Nothing here knows SQL.
"""
