"""HTTP to the registry and the store: transport, retries, URLs, credentials, and what failures mean."""
