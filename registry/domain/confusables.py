"""Names that look alike: the skeleton of Unicode Technical Standard 39, and when two of them count as one.

The data are those of ``confusable-homoglyphs``, which ships Unicode's ``confusables.txt`` and ``Scripts.txt``.
"""

from __future__ import annotations

import functools
import hashlib
import unicodedata
from collections.abc import Mapping

from registry.rules import names

# Scripts that occur together in names of one language; its readers distinguish their confusables.
_TOGETHER = dict.fromkeys(("HAN", "HIRAGANA", "KATAKANA", "BOPOMOFO", "HANGUL"), "EAST_ASIAN")
STEPS = 3
_ANY = frozenset({"COMMON", "INHERITED"})


def look(name: str) -> str:
    """Return the digest of what a *name* looks like, to be stored and indexed: a skeleton may be many times longer."""
    return _outline_digest(_outline(names.name_key(name)))


def looks(name: str) -> frozenset[str]:
    """Return the digests of what *name* may be taken for: as it is written, and with case folded.

    A Greek capital iota looks like ``l`` and folds to what looks like ``i``.
    """
    return frozenset({look(name), _outline_digest(_outline(unicodedata.normalize("NFKC", name)))})


def mix_scripts(one: str, other: str) -> bool:
    """Return whether no single script has the letters of both names: ``model1`` and ``modell`` are allowed together."""
    return len(_scripts(one) | _scripts(other)) > 1


def foreign(name: str) -> str:
    """Return the characters of *name* that are no ASCII, by code point and Unicode name, for an error."""
    characters = dict.fromkeys(character for character in name if not character.isascii())
    return ", ".join(f"U+{ord(one):04X} {unicodedata.name(one, '')}".strip() for one in list(characters)[:5])


def skeleton(text: str) -> str:
    """Return the skeleton of UTS #39 4: two texts are confusable when theirs are equal."""
    prototypes = _prototypes()
    plain = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFD", "".join(prototypes.get(character, character) for character in plain))


def _outline(name: str) -> str:
    """Return the skeleton without case. Capitals become their own skeleton first, for they look like other letters."""
    return skeleton(skeleton(name).casefold())


def _outline_digest(outline: str) -> str:
    return hashlib.sha256(outline.encode()).hexdigest()


def _scripts(name: str) -> set[str]:
    from confusable_homoglyphs import categories

    scripts = {categories.alias(character) for character in name} - _ANY
    return {_TOGETHER.get(script, script) for script in scripts}


@functools.cache
def _prototypes() -> Mapping[str, str]:
    """Return the prototype of each character that has one.

    The library lists for each text those that it is confusable with: a character has its prototype alone, a prototype
    all of its characters. Where both have one, a sequence is the prototype, else the lesser of the two.
    """
    from confusable_homoglyphs import confusables  # loads 900 kB of JSON: when a name is first compared

    data = confusables.confusables_data
    alike = {_bare(text): [_bare(each["c"]) for each in others] for text, others in data.items()}
    prototypes = {}
    for character, others in alike.items():
        if len(character) == 1 and len(others) == 1 and _is_prototype(others[0], character, alike):
            prototype = unicodedata.normalize("NFD", others[0])
            if prototype != character:  # the data hold ideographs that normalize to what they are confusable with
                prototypes[character] = prototype
    return {character: _resolved(prototype, prototypes) for character, prototype in prototypes.items()}


def _resolved(text: str, prototypes: Mapping[str, str]) -> str:
    """Return the prototype of a prototype: the lesser of two may stand in a sequence. A few steps suffice for all."""
    for _ in range(STEPS):
        text = unicodedata.normalize("NFD", "".join(prototypes.get(character, character) for character in text))
    return text


def _is_prototype(text: str, character: str, alike: Mapping[str, list[str]]) -> bool:
    others = alike.get(text, [])
    return len(others) != 1 or len(text) > 1 or text < character


def _bare(text: str) -> str:
    """Return the text without the direction marks that the data has around right-to-left letters."""
    return text.strip("\u200e")
