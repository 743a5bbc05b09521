"""Gates: policies of models, what their rules say of versions, and the checks that CI reports."""
