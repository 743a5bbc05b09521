"""Wire shapes, written by hand: ``…Body`` and ``…Query`` come in, ``…View`` goes out."""
