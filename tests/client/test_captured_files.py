from __future__ import annotations

import json
import os
import re
import struct
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from registry.client import RegistryClient, errors
from registry.client.detect import Detected
from tests.client.conftest import FakeRegistry, sha256
from tests.support.git_repositories import checkout, run_git
from tests.support.model_bytes import archive, gguf, pickled, safetensors, tensor

MIB = 1024 * 1024
BASES = "base_model: [org/base, ./local, https://huggingface.co/org/other/tree/v2]"
ADAPTER = {"base_model_name_or_path": "org/base", "revision": "0a1b2c", "peft_type": "LORA"}
CONFIG = '{"architectures": ["LlamaForCausalLM"], "torch_dtype": "float32", "_name_or_path": "org/else"}'
SHARDS = {
    "model-00001-of-00002.safetensors": safetensors(
        {"a": tensor("BF16", [3, 4], 0, 24)}, data=24, metadata={"format": "pt"}
    ),
    "model-00002-of-00002.safetensors": safetensors({"b": tensor("BF16", [5], 0, 10)}, data=10),
}


def written(directory: Path, files: dict[str, bytes | str]) -> Path:
    for path, content in files.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(content if isinstance(content, bytes) else content.encode())
    return directory


def test_what_the_files_of_a_model_state_is_registered_unless_the_caller_states_it(
    registry: FakeRegistry, client: RegistryClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = written(tmp_path / "code", {"uv.lock": "version = 1\n", "requirements.txt": "torch\n", "jobs/train.py": ""})
    commit = run_git(checkout(code), "rev-parse", "HEAD")
    monkeypatch.chdir(code / "jobs")
    card = f"---\n{BASES}\nlicense: apache-2.0\ndatasets: [org/data]\n---\n# Fraud\n"
    files = {"README.md": card, "adapter_config.json": json.dumps(ADAPTER), "config.json": CONFIG, **SHARDS}
    model = written(tmp_path / "model", files)

    done = client.register("fraud", model, tags={"license": "mit"}, code={"repo": "r", "commit": commit})
    body = registry.registered
    client.register("fraud", model, code={"repo": "r", "commit": "c0ffee"})
    elsewhere = registry.registered
    client.register("fraud", model, detect="files")

    assert body["tags"] == {
        "license": "mit", "model.architecture": "LlamaForCausalLM", "model.dtype": "bfloat16",
        "model.format": "safetensors", "model.parameters": "17",
    }  # fmt: skip
    assert body["base_models"] == [
        {"uri": "hf://org/base@0a1b2c", "relation": "adapter"}, {"uri": "hf://org/other@v2"},
    ]  # fmt: skip
    assert (body["framework"], body.get("datasets")) == ("peft", None)
    assert body["environment"] == {"lock_digest": f"sha256:{sha256(b'version = 1' + bytes([10]))}"}
    assert [one for one in done["warnings"] if "README.md: the base model ./local is not recorded" in one]
    sources = {one["source"]: one["facts"] for one in done["found"]}
    assert sources["README.md"] == {"base_models": ["hf://org/other@v2"]}
    assert sources["model-00001-of-00002.safetensors"]["tags"] == [
        "model.parameters 17", "model.dtype bfloat16", "model.format safetensors",
    ]  # fmt: skip
    assert str(code / "uv.lock") in sources
    assert (elsewhere.get("environment"), elsewhere["tags"]["license"]) == (None, "apache-2.0")
    assert registry.registered.keys() == {"files"}


def test_files_that_contradict_each_other_state_nothing(
    registry: FakeRegistry, client: RegistryClient, tmp_path: Path
) -> None:
    single = safetensors({"a": tensor("F32", [2], 0, 8)}, data=8)
    first, *_ = SHARDS.values()
    model = written(tmp_path / "model", {
        "unet/a.safetensors": single, "vae/b.safetensors": single, "c-00001-of-00003.safetensors": first,
        "scaler.pkl": pickled(("sklearn.preprocessing", "Scaler")),
        "MLmodel": f"run_id: {'a' * 32}\nflavors: []\n", "uv.lock": "", "requirements.txt": "torch\n",
    })  # fmt: skip

    done = client.register("fraud", model)
    body = registry.registered
    stated = client.register("fraud", model, framework="sklearn")["warnings"]

    assert not [one for one in stated if "the framework" in one]
    assert (body.get("framework"), body["tags"]) == (None, {"model.format": "safetensors"})
    assert body["run"] == {"system": "mlflow", "id": "a" * 32, "stated_by": "MLmodel"}
    assert body["environment"] == {"lock_digest": f"sha256:{sha256(b'')}"}
    warnings = " ".join(done["warnings"])
    assert "1 of 3 parts of c.safetensors are here" in warnings
    assert "several models, unet/a.safetensors, vae/b.safetensors" in warnings
    assert "pytorch (c-00001-of-00003.safetensors), sklearn (scaler.pkl)" in warnings


def test_an_environment_is_not_known_from_what_cannot_be_read(
    client: RegistryClient, registry: FakeRegistry, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "code").mkdir()
    os.mkfifo(tmp_path / "code" / "uv.lock")
    monkeypatch.chdir(tmp_path / "code")

    done = client.register("fraud", source, code={"repo": "r"})

    assert "environment" not in registry.registered
    assert [one for one in done["warnings"] if "uv.lock is not recorded: it is a device, a pipe" in one]


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 12345\n"


def test_a_pointer_of_git_lfs_in_place_of_a_model_is_refused(client: RegistryClient, tmp_path: Path) -> None:
    model = written(tmp_path / "model", {"weights/model.safetensors": LFS})

    for place in (model, model / "weights" / "model.safetensors"):
        with pytest.raises(errors.UnfitSource, match=r"model\.safetensors \(git-lfs\).*git lfs pull"):
            client.register("fraud", place)


PAIRS = zip("abcdefg", "bcdefgh", strict=True)
ALIASES = "\n".join(f"{key}: &{key} [{', '.join([f'*{last}'] * 9)}]" for last, key in PAIRS)
BOMB = f"a: &a [x, x]\n{ALIASES}\n".encode()
FENCE = b"---\n"
DEEP = b"[" * 2000
WEIGHTS = {"a": tensor("F32", [2], 0, 8), "b": tensor("F32", [1], 4, 8)}


def long(start: bytes, end: bytes = b"") -> bytes:
    """50 MiB, made by the test that reads them and not by all that collect it."""
    return start + b"N" * 50 * MIB + end


@pytest.mark.parametrize(
    ("path", "content", "warning"),
    [
        ("MLmodel", b"flavors: !!python/object/apply:os.system ['touch broken']\n", None),
        ("MLmodel", BOMB + b"flavors: *h\nsignature: {inputs: *h}\n", None),
        ("MLmodel", b"flavors: " + DEEP, "nothing of MLmodel is recorded: it has more than 64 levels"),
        ("MLmodel", partial(long, b"flavors: {}\n#"), r"nothing of MLmodel is recorded: it has 524288\d\d bytes"),
        ("conda.yaml", partial(long, b"dependencies: !!python/name:os.system\n#"), None),
        ("conda.yaml", BOMB, None),
        ("README.md", FENCE + b"license: !!python/object/apply:os.system {args: [touch broken]}\n" + FENCE, None),
        ("README.md", FENCE + BOMB + b"base_model: *h\n" + FENCE, None),
        (
            "README.md",
            FENCE + b"base_model: " + DEEP + b"\n" + FENCE,
            "cannot be read: it has more than 64",
        ),
        ("README.md", FENCE + b"license: \xff\n" + FENCE, "front matter cannot be read"),
        ("README.md", partial(long, FENCE + b"license: mit\n#", b"\n" + FENCE), "front matter has more than"),
        ("config.json", b'[{"model_type": "llama"}]', "config.json is recorded: it is not a JSON object"),
        ("config.json", b'{"architectures": ' + DEEP, "config.json is recorded: it is not JSON"),
        ("config.json", b'{"model_type": "\xff"}', "config.json is recorded: it is not JSON"),
        ("adapter_config.json", b'{"base_model_name_or_path": {"a": 1}, "revision": 3, "peft_type": []}', None),
        ("m.safetensors", struct.pack("<Q", 2**60) + b"{}", "header has 1152921504606846976 bytes"),
        ("m.safetensors", safetensors(WEIGHTS, data=8), "tensors overlap"),
        ("m.safetensors", safetensors({"a": tensor("F32", [-1], 0, 8)}, data=8), "no whole number from 0"),
        ("m.safetensors", safetensors({"a": tensor("F32", [2**62] * 60, 0, 8)}, data=8), "more elements than any"),
        ("m.safetensors", struct.pack("<Q", 4) + b"text", "header is not JSON"),
        ("m.safetensors", safetensors({"a": tensor("F32", [2], 0, 8)}, data=7), "(file|it) is truncated"),
        ("m.gguf", gguf({}, tensors=2**40), "names 1099511627776 tensors"),
        ("m.gguf", gguf({"general.architecture": "llama"}, [[2]])[:-9], "(file|it) is truncated"),
        ("m.pkl", b"\x80\x04cos\nsystem\n\x8c\x0ctouch broken\x85R.", None),
        ("m.joblib", lambda: zlib.compress(long(b"\x80\x04")), None),
        ("m.pt", archive("m/data.pkl")[:-9], "m.pt is recorded: its list of contents cannot be read"),
    ],
    ids=lambda value: value if isinstance(value, str) and "." in value[:20] else "",
)
def test_a_hostile_file_does_not_fail_the_registration(
    client: RegistryClient, registry: FakeRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    path: str, content: bytes | Callable[[], bytes], warning: str | None,
) -> None:  # fmt: skip
    content = content if isinstance(content, bytes) else content()
    model = written(tmp_path / "model", {path: content, "weights.onnx": b"\x08\x08\x12\x07pytorch"})
    registry.known.add(sha256(content))
    monkeypatch.chdir(tmp_path)

    done = client.register("fraud", model, detect=Detected())

    assert done["created"]
    assert registry.registered.get("tags", {}).keys() <= {"model.format"}
    assert "base_models" not in registry.registered
    assert not (tmp_path / "broken").exists()
    if warning is None:
        assert done["warnings"] == []
    else:
        (shown,) = done["warnings"]
        assert path in shown
        assert re.search(warning, shown)
