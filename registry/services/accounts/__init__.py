"""Accounts and their API tokens."""

from registry.services.accounts import accounts, confusable_names

__all__ = ["accounts", "confusable_names"]
