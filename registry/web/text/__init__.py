"""Text on pages: sentences, words and numbers."""
