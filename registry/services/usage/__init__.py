"""Hourly counts of downloads and refusals."""
