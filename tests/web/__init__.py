"""The pages, through Flask's client."""
