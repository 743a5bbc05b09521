"""Signed notes with Ed25519 signatures (https://c2sp.org/signed-note), and the keys that sign and verify them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

MAX_NOTE = 256 * 1024  # bytes; 16 signatures of 5 kB, which a verifier must accept, are a third of it
MAX_SIGNATURES = 100
ED25519 = b"\x01"  # signature type
SEED_BYTES = KEY_BYTES = 32
_LINE = re.compile(r"— (?P<name>[^ \n]+) (?P<signature>[A-Za-z0-9+/]+={0,2})")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


class NoteError(ValueError):
    """A note or a key that is malformed, or a note without a valid signature of a trusted key."""


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: the name and the id of the key, and the bytes that the key made."""

    name: str
    key_id: bytes
    data: bytes

    @property
    def line(self) -> str:
        """The line of the note, without its newline."""
        return f"— {self.name} {encode64(self.key_id + self.data)}"


@dataclass(frozen=True, slots=True)
class Note:
    """A parsed note, nothing of it verified. ``text`` includes its last newline."""

    text: str
    signatures: tuple[Signature, ...]


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """An Ed25519 public key with the name of its owner."""

    name: str
    public: bytes

    def __post_init__(self) -> None:
        _require_name(self.name)
        if len(self.public) != KEY_BYTES:
            raise NoteError(f"an Ed25519 public key has {KEY_BYTES} bytes, not {len(self.public)}")

    @property
    def key_id(self) -> bytes:
        """SHA-256(name ‖ 0x0A ‖ 0x01 ‖ public key), its first four bytes."""
        return hashlib.sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:4]

    def __str__(self) -> str:
        """The key as one line of text: ``name+key id+base64(0x01 ‖ public key)``."""
        return f"{self.name}+{self.key_id.hex()}+{encode64(ED25519 + self.public)}"

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Return the key from its line of text. Raises NoteError."""
        name, _, rest = text.partition("+")
        key_id, _, encoded = rest.partition("+")
        public = decode64(encoded)
        if public[:1] != ED25519:
            raise NoteError("the key is not an Ed25519 key of a note")
        key = cls(name, public[1:])
        if key.key_id.hex() != key_id:
            raise NoteError(f"the id of the key {name!r} is not {key_id!r}: it was copied wrongly")
        return key

    def verifies(self, text: str, signature: bytes) -> bool:
        """Return whether this key made the *signature* of the text."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text.encode())
        except (InvalidSignature, ValueError):
            return False
        return True


class SigningKey:
    """An Ed25519 private key with the name of its owner."""

    def __init__(self, name: str, seed: bytes) -> None:
        """Use the 32 bytes of *seed* (RFC 8032). Raises NoteError."""
        if len(seed) != SEED_BYTES:
            raise NoteError(f"the seed of an Ed25519 key has {SEED_BYTES} bytes, not {len(seed)}")
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.verifier = VerifierKey(name, self._private.public_key().public_bytes_raw())

    def sign(self, text: str) -> Signature:
        """Return the signature of a text."""
        return Signature(self.verifier.name, self.verifier.key_id, self._private.sign(text.encode()))


def sign_note(text: str, keys: Sequence[SigningKey]) -> bytes:
    """Return the note with a signature of each key: of the old and the new one while a key is replaced.

    Raises NoteError for a text that a note cannot have, and without a key.
    """
    if not keys:
        raise NoteError("a note needs at least one signature")
    lines = "".join(f"{key.sign(text).line}\n" for key in keys)
    note = f"{text}\n{lines}".encode()
    if parse_note(note).text != text:
        raise NoteError("the text of a note ends with a newline, and has no other control characters")
    return note


def parse_note(data: bytes) -> Note:
    """Return the parts of a note, nothing of it verified. Raises NoteError."""
    if len(data) > MAX_NOTE:
        raise NoteError(f"a note has at most {MAX_NOTE} bytes, not {len(data)}")
    try:
        whole = data.decode()
    except UnicodeDecodeError as error:
        raise NoteError("the note is not UTF-8") from error
    if _CONTROL.search(whole):
        raise NoteError("the note has a control character")
    text, separator, lines = whole.rpartition("\n\n")
    if not separator or not lines.endswith("\n"):
        raise NoteError("the note does not end with an empty line and lines of signatures")
    signatures = lines[:-1].split("\n", MAX_SIGNATURES)
    if len(signatures) > MAX_SIGNATURES:
        raise NoteError(f"a note has at most {MAX_SIGNATURES} signatures")
    return Note(text + "\n", tuple(map(_signature, signatures)))


def open_note(data: bytes, keys: Iterable[VerifierKey]) -> tuple[str, list[VerifierKey]]:
    """Return the text of a note and the trusted *keys* that signed it. Signatures of other keys are ignored.

    Raises NoteError when no trusted key signed it, or when a signature that names one of them is wrong.
    """
    note = parse_note(data)
    trusted = {(key.name, key.key_id): key for key in keys}
    signers = []
    for signature in note.signatures:
        key = trusted.get((signature.name, signature.key_id))
        if key is None:
            continue
        if not key.verifies(note.text, signature.data):
            raise NoteError(f"the signature of {key.name} is wrong: the note was changed")
        if key not in signers:
            signers.append(key)
    if not signers:
        names = ", ".join(sorted({signature.name for signature in note.signatures}))
        raise NoteError(f"no trusted key signed the note; it has signatures of {names}")
    return note.text, signers


def encode64(data: bytes) -> str:
    """Return *data* in standard base 64 (RFC 4648, section 4)."""
    return base64.b64encode(data).decode()


def decode64(text: str) -> bytes:
    """Return the bytes of a base-64 text that is spelled as :func:`encode64` does. Raises NoteError."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteError("a value is not base 64") from error
    if encode64(data) != text:
        raise NoteError("a value is not base 64 in its one spelling")
    return data


def _signature(line: str) -> Signature:
    match = _LINE.fullmatch(line)
    if match is None:
        raise NoteError("a line after the text of the note is not a signature")
    _require_name(match["name"])
    data = decode64(match["signature"])
    if len(data) <= 4:
        raise NoteError("a signature has no bytes after the id of its key")
    return Signature(match["name"], data[:4], data[4:])


def _require_name(name: str) -> None:
    if not name or "+" in name or any(char.isspace() or unicodedata.category(char)[0] in "ZC" for char in name):
        raise NoteError(f"{name!r} is not the name of a key: it is empty, or has a space, a control character or a +")
