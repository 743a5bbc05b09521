"""The catalog: models, versions, aliases, tags, and the registration that creates versions."""
