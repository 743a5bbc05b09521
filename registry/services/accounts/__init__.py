"""Accounts, their API tokens and their browser sessions."""

from registry.services.accounts import accounts, confusable_names, sessions

__all__ = ["accounts", "confusable_names", "sessions"]
