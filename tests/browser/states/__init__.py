"""States of the pages, each with the way that a person takes to it."""
