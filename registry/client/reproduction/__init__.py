"""Building a version again: its recipe, the run in a fresh directory, and the comparison with what was registered."""
