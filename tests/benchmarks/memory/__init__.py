"""How much memory each endpoint takes for the largest request that it accepts: see ``__main__``."""
