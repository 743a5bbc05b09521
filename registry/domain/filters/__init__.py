"""The filter language in two dialects: texts in, trees of conditions out.

``mlflow`` parses the filters of MLflow's clients, as MLflow does; ``native`` a superset with more keys and with OR, NOT
and parentheses. ``terms`` is the tree that both return, ``keys`` the vocabulary of the native dialect. Nothing here
depends on SQL.
"""
