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
        "A084 none": None,
        "A084 empty": "",
        "A084 scheme only": "Bearer",
        "A084 scheme and space": "Bearer ",
        "A085 no scheme": good,
        "A085 Basic": "Basic YWxsOnBhc3N3b3Jk",
        "A085 Basic with the token": f"Basic {good}",
        "A085 Token": f"Token {good}",
        "A085 Digest": 'Digest username="all"',
        "A085 two, joined": f"Bearer {good},Bearer {good}",
        "A085 two, joined with a space": f"Bearer {good}, Bearer {good}",
        "A085 twice the scheme": f"Bearer Bearer {good}",
        "A085 quoted": f'Bearer "{good}"',
        "A085 parameter": f"Bearer token={good}",
        "A086 bad checksum": f"Bearer {good[:-1]}{'A' if good[-1] != 'A' else 'B'}",
        "A086 two characters exchanged": f"Bearer {good[:swap]}{good[swap + 1]}{good[swap]}{good[swap + 2 :]}",
        "A086 cut short": f"Bearer {good[:-1]}",
        "A086 continued": f"Bearer {good}A",
        "A086 no checksum": f"Bearer {good[:48]}",
        "A086 upper case": f"Bearer {good.upper()}",
        "A086 lower case": f"Bearer {good.lower()}",
        "A087 right id, wrong secret": f"Bearer {sealed(good[:16] + other_secret)}",
        "A087 id of another token": f"Bearer {sealed(tokens['reader'][:16] + good[16:48])}",
        "A087 unknown id": f"Bearer {sealed('mrp_' + 'Z' * 44)}",
        "A087 another kind": f"Bearer {sealed('mrs_' + good[4:48])}",
        "A087 bootstrap kind": f"Bearer {sealed('mrb_' + good[4:48])}",
        "A087 unknown kind": f"Bearer {sealed('mrx_' + good[4:48])}",
        "A088 revoked": f"Bearer {tokens['revoked']}",
        "A088 expired": f"Bearer {tokens['expired']}",
        "A092 4 KB": f"Bearer {'A' * 4096}",
        "A092 4 KB after the token": f"Bearer {good}{'A' * 4096}",
        "A092 leading space": f" Bearer {good}",
        "A092 two spaces": f"Bearer  {good}",
        "A092 tab": f"Bearer\t{good}",
        "A092 trailing space": f"Bearer {good} ",
        "A092 NUL": f"Bearer {good}\x00",
        "A092 newline": f"Bearer {good}\n",
        "A092 Latin-1": f"Bearer {good[:-1]}\xe9",
        "A092 UTF-8": f"Bearer {good}".replace("m", "\xd0\xbc", 1),
        "A092 full-width digits": "Bearer " + good[:-1] + "\xef\xbc\x91",
        "A087 SQL": "Bearer mrp_' OR '1'='1",
        "A087 JSON Web Token": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.",
    }
