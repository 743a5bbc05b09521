"""Authorization headers that open nothing."""

from __future__ import annotations

import string
import zlib
from collections.abc import Mapping

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase


def sealed(start: str) -> str:
    """*start* with the checksum that makes it a well-formed token, reckoned here from the description of the form."""
    number, digits = zlib.crc32(start.encode()), ""
    while len(digits) < 6:
        number, digit = divmod(number, 62)
        digits = ALPHABET[digit] + digits
    return start + digits


def headers(tokens: Mapping[str, str]) -> dict[str, str | None]:
    """Values of the header by what is wrong with them; the good token in them is the one with every role."""
    good = tokens["all"]
    swap = next(place for place in range(16, 47) if good[place] != good[place + 1])
    other_secret = "".join(ALPHABET[(ALPHABET.index(character) + 1) % 62] for character in good[16:48])
    return {
        "none": None,
        "empty": "",
        "scheme only": "Bearer",
        "scheme and space": "Bearer ",
        "no scheme": good,
        "Basic": "Basic YWxsOnBhc3N3b3Jk",
        "Basic with the token": f"Basic {good}",
        "Token": f"Token {good}",
        "Digest": 'Digest username="all"',
        "two, joined": f"Bearer {good},Bearer {good}",
        "two, joined with a space": f"Bearer {good}, Bearer {good}",
        "twice the scheme": f"Bearer Bearer {good}",
        "quoted": f'Bearer "{good}"',
        "parameter": f"Bearer token={good}",
        "bad checksum": f"Bearer {good[:-1]}{'A' if good[-1] != 'A' else 'B'}",
        "two characters exchanged": f"Bearer {good[:swap]}{good[swap + 1]}{good[swap]}{good[swap + 2 :]}",
        "cut short": f"Bearer {good[:-1]}",
        "continued": f"Bearer {good}A",
        "no checksum": f"Bearer {good[:48]}",
        "upper case": f"Bearer {good.upper()}",
        "lower case": f"Bearer {good.lower()}",
        "right id, wrong secret": f"Bearer {sealed(good[:16] + other_secret)}",
        "id of another token": f"Bearer {sealed(tokens['reader'][:16] + good[16:48])}",
        "unknown id": f"Bearer {sealed('mrp_' + 'Z' * 44)}",
        "another kind": f"Bearer {sealed('mrs_' + good[4:48])}",
        "bootstrap kind": f"Bearer {sealed('mrb_' + good[4:48])}",
        "unknown kind": f"Bearer {sealed('mrx_' + good[4:48])}",
        "revoked": f"Bearer {tokens['revoked']}",
        "expired": f"Bearer {tokens['expired']}",
        "4 KB": f"Bearer {'A' * 4096}",
        "4 KB after the token": f"Bearer {good}{'A' * 4096}",
        "leading space": f" Bearer {good}",
        "two spaces": f"Bearer  {good}",
        "tab": f"Bearer\t{good}",
        "trailing space": f"Bearer {good} ",
        "NUL": f"Bearer {good}\x00",
        "newline": f"Bearer {good}\n",
        "Latin-1": f"Bearer {good[:-1]}\xe9",
        "UTF-8": f"Bearer {good}".replace("m", "\xd0\xbc", 1),
        "full-width digits": "Bearer " + good[:-1] + "\xef\xbc\x91",
        "SQL": "Bearer mrp_' OR '1'='1",
        "JSON Web Token": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.",
    }
