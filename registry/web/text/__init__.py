"""Texts of pages: words for values, and the rendering of untrusted texts."""
