"""Texts of pages: words for values, and the rendering of texts that come from strangers."""
