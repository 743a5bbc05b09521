"""MLflow's clients with this registry, by the scheme ``registry+http(s)://``: files uploaded, hashed and verified.

    store       the registry store: MLflow's REST store, which uploads the files of new versions
    artifacts   the artifact repository: a version's files, downloaded with their digests checked
    origin      the files of a new version, and the facts of its run and model in MLflow's tracking
    served      the same, where MLflow's own server registers for its callers
    server      MLflow's own server: the token of a request, and what the server stores
    address     the registry of a URI, and the token for it
    answers     the registry's refusals as MLflow's exceptions

MLflow finds both by entry points; nothing but ``registry.client`` is used.
"""
