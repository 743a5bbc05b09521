"""Signed notes, keys and checkpoints, by the vectors of C2SP and of Go's note package."""

from __future__ import annotations

import hashlib

import pytest

from registry.rules.audit_log.checkpoints import Checkpoint, CheckpointError, open_checkpoint, sign_checkpoint
from registry.rules.audit_log.notes import (
    MAX_NOTE,
    NoteError,
    SigningKey,
    VerifierKey,
    decode64,
    open_note,
    parse_note,
    sign_note,
)
from tests.support.sealed_log import KEY, ORIGIN, SealedLog

# The keys, the text and the signatures of the tests of golang.org/x/mod/sumdb/note.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_SEED = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
PETER_LINE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
ENOCH_LINE = (
    "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n"
)
NEW_KEY = SigningKey(ORIGIN, hashlib.sha256(b"a new key").digest())


def key(text: str) -> VerifierKey:
    return VerifierKey.parse(text)


def test_a_key_is_read_and_written_as_go_does() -> None:
    signing = SigningKey("PeterNeumann", decode64(PETER_SEED)[1:])

    assert str(key(PETER)) == PETER == str(signing.verifier)
    assert sign_note(TEXT, [signing]).decode() == f"{TEXT}\n{PETER_LINE}"


def test_any_part_and_any_change_of_a_key_is_refused() -> None:
    wrong = {PETER[a:b] for a in range(len(PETER)) for b in range(a, len(PETER) + 1)} - {PETER}
    wrong |= {PETER[:at] + chr(ord(PETER[at]) + 1) + PETER[at + 1 :] for at in range(len(PETER))}
    wrong |= {
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",  # one byte too long
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",  # an unknown algorithm
    }
    for text in wrong:
        with pytest.raises(NoteError):
            key(text)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\tb", "a\u00a0b", "a\u2028b", "a\nb"])
def test_a_name_that_a_key_cannot_have_is_refused(name: str) -> None:
    with pytest.raises(NoteError, match="not the name of a key"):
        VerifierKey(name, bytes(32))


def test_a_note_is_opened_by_the_trusted_keys_that_signed_it() -> None:
    both = (TEXT + "\n" + PETER_LINE + ENOCH_LINE).encode()

    assert open_note(both, [key(PETER)]) == (TEXT, [key(PETER)])
    assert open_note(both, [key(ENOCH), key(PETER)]) == (TEXT, [key(PETER), key(ENOCH)])
    assert open_note(both + PETER_LINE.encode(), [key(PETER)]) == (TEXT, [key(PETER)])
    with pytest.raises(NoteError, match="no trusted key signed the note; it has signatures of EnochRoot, PeterNeumann"):
        open_note(both, [KEY.verifier])
    with pytest.raises(NoteError, match="no trusted key"):
        open_note(both, [])


def test_the_text_of_a_note_may_have_empty_lines() -> None:
    text = "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n"

    assert open_note(sign_note(text, [KEY]), [KEY.verifier]) == (text, [KEY.verifier])


def test_a_wrong_signature_of_a_trusted_key_is_refused_next_to_a_right_one() -> None:
    false = PETER_LINE[:60] + "ABCD" + PETER_LINE[60:]

    with pytest.raises(NoteError, match="signature of PeterNeumann is wrong"):
        open_note((TEXT + "\n" + ENOCH_LINE + false).encode(), [key(PETER), key(ENOCH)])


@pytest.mark.parametrize(
    "note",
    [
        TEXT,
        TEXT + "\n",
        TEXT + "\n" + PETER_LINE[:-1],
        "\x01" + TEXT + "\n" + PETER_LINE,
        TEXT.replace("\n", "\r\n") + "\n" + PETER_LINE,
        TEXT + "\n" + PETER_LINE + "Unexpected line.\n",
        TEXT + "\n" + PETER_LINE.replace("PeterNeumann", "Peter Neumann"),
        TEXT + "\n" + PETER_LINE.replace("PeterNeumann", "Peter+Neumann"),
        TEXT + "\n" + PETER_LINE.replace("—", "-"),
        TEXT + "\n" + PETER_LINE.replace("x08go/", "x08go_"),
        TEXT + "\n" + "— PeterNeumann x08gow==\n",
        "\n" + PETER_LINE,
        "",
    ],
)
def test_a_malformed_note_is_refused(note: str) -> None:
    with pytest.raises(NoteError):
        open_note(note.encode(), [key(PETER)])


def test_a_note_is_bounded_before_it_is_read() -> None:
    lines = (TEXT + "\n" + PETER_LINE * 101).encode()

    assert len(parse_note((TEXT + "\n" + PETER_LINE * 100).encode()).signatures) == 100
    with pytest.raises(NoteError, match="at most 100 signatures"):
        parse_note(lines)
    with pytest.raises(NoteError, match=f"at most {MAX_NOTE} bytes"):
        parse_note(b"\xff" * (MAX_NOTE + 1))
    with pytest.raises(NoteError, match="not UTF-8"):
        parse_note(b"\xff" + lines)


@pytest.mark.parametrize("text", ["", "abc", "a\rb\n", "a\x00b\n"])
def test_a_text_that_no_note_can_have_is_not_signed(text: str) -> None:
    with pytest.raises(NoteError):
        sign_note(text, [KEY])


def test_every_single_bit_of_a_checkpoint_counts() -> None:
    note = SealedLog().fill(3).note()
    accepted = []
    for bit in range(len(note) * 8):
        changed = bytearray(note)
        changed[bit // 8] ^= 1 << bit % 8
        try:
            open_checkpoint(bytes(changed), [KEY.verifier])
        except (NoteError, CheckpointError):
            continue
        accepted.append(bit)

    assert accepted == []


def test_a_checkpoint_is_written_as_the_specification_says() -> None:
    root = decode64("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=")
    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"

    assert Checkpoint("example.com/behind-the-sofa", 20852163, root).text == text
    assert Checkpoint.parse(text) == Checkpoint("example.com/behind-the-sofa", 20852163, root)
    assert Checkpoint.parse(text + "an extension\n").extensions == ("an extension",)


@pytest.mark.parametrize(
    "text",
    [
        "", "a\n1\n", "a\n1\nAAAA\n", "\n1\n{root}\n", "a\n01\n{root}\n", "a\n-1\n{root}\n", "a\n+1\n{root}\n",
        "a\n1 \n{root}\n", "a\n1\n{root}\n\n", "a\n1\n{root}", "a\n1\n{root}=\n", "a\n٣\n{root}\n",
        "a\n9223372036854775808\n{root}\n", "a\n" + "9" * 5000 + "\n{root}\n",
    ],
)  # fmt: skip
def test_a_text_that_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(CheckpointError):
        Checkpoint.parse(text.replace("{root}", "A" * 43 + "="))


def test_while_a_key_is_replaced_the_old_and_the_new_one_open_a_checkpoint() -> None:
    log = SealedLog().fill(3)
    note = log.note(None, KEY, NEW_KEY)

    for keys in ([KEY.verifier], [NEW_KEY.verifier], [KEY.verifier, NEW_KEY.verifier]):
        assert open_checkpoint(note, keys) == log.checkpoint()


def test_a_key_signs_for_its_own_log_only() -> None:
    other = SigningKey("elsewhere.example/audit", bytes(32))
    checkpoint = SealedLog().fill(1).checkpoint()

    with pytest.raises(CheckpointError, match="does not sign for the log"):
        sign_checkpoint(checkpoint, [other])
    with pytest.raises(CheckpointError, match="no trusted key of the log"):
        open_checkpoint(sign_note(checkpoint.text, [other]), [other.verifier])
    with pytest.raises(CheckpointError, match="empty or has a newline"):
        sign_checkpoint(Checkpoint(ORIGIN, 1, checkpoint.root, ("a\nb",)), [KEY])
