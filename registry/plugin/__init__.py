"""MLflow's clients with this registry, by the scheme ``registry+http(s)://``: files uploaded, hashed and verified.

    store       the registry store: what MLflow's, but that new versions bring their files along
    artifacts   the artifact repository: a version's files, downloaded with their digests checked
    origin      where a new version's files are, and what MLflow's tracking knows of them
    served      the same, where MLflow's own server registers for its callers
    server      MLflow's own server: the token of a request, and what the server stores
    address     which registry a URI means, and the token for it
    answers     the registry's refusals as MLflow's exceptions

MLflow finds both by entry points; nothing but ``registry.client`` is used.
"""
