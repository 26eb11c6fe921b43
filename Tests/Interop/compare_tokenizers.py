#!/usr/bin/env python3
"""Compares Loom's tokenizers with tiktoken and tokenizers over tens of thousands of generated texts.

    Tests/Interop/tokenizers.sh [COUNT [PYTHON [ONLY]]]

runs this in an environment with the references installed. Every vocabulary is made here: small ones trained by the
tokenizers library, and GPT-2's real one where LOOM_DATA has it.
"""
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from tokenizer_models import gpt1_pair, hub_tokenizers, rank_encodings  # noqa: E402
from tokenizer_texts import settled, texts  # noqa: E402

RUNNER = os.environ.get("LOOM_RUNNER", "./runner")


def ours(path, batch, flags=()):
    """The ids of every text: `tokenizer encode --lines` reads JSON strings, a line each."""
    lines = "".join(json.dumps(text) + "\n" for text in batch)
    out = subprocess.run([RUNNER, "tokenizer", "encode", path, "--lines", *flags], input=lines.encode(), capture_output=True)
    if out.returncode:
        sys.exit(f"{path}: {out.stderr.decode()}")
    return [json.loads(line) for line in out.stdout.decode().splitlines()]


def compare(name, path, batch, reference, flags=()):
    differing = [text for text, ids in zip(batch, ours(path, batch, flags), strict=True) if ids != reference(text)]
    # The references have Unicode tables of different ages: once more without the characters that are new.
    again = [settled(text) for text in differing]
    wrong = 0
    for text, ids in zip(again, ours(path, again, flags) if again else [], strict=True):
        expected = reference(text)
        if ids != expected:
            wrong += 1
            if wrong <= 5:
                print(f"  {name}: {text!r} ({' '.join(f'{ord(c):04X}' for c in text)})\n    ours      {ids}\n    reference {expected}")
    newer = len(differing) - wrong
    note = f", {newer} more but for characters newer than some Unicode tables" if newer else ""
    print(f"{name}: {len(batch) - len(differing)} of {len(batch)} the same{note}", flush=True)
    return wrong


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20000
    only = sys.argv[2] if len(sys.argv) > 2 else ""
    wrong = 0
    with tempfile.TemporaryDirectory() as place:
        batch = list(texts(count, seed=1))
        for name, (encoding, path, flags) in rank_encodings(place).items():
            if only in "tiktoken " + name:
                wrong += compare("tiktoken " + name, path, batch, encoding.encode_ordinary, flags)
        special = list(texts(count // 2, seed=2, specials=True))
        for name, (tokenizer, path) in hub_tokenizers(place).items():
            if only in "tokenizers " + name:
                wrong += compare("tokenizers " + name, path, special, lambda t: tokenizer.encode(t, add_special_tokens=True).ids, ["--template"])
                wrong += compare("tokenizers " + name + " (plain)", path, batch[: count // 4], lambda t: tokenizer.encode(t, add_special_tokens=False).ids)
        tokenizer, folder = gpt1_pair(place)
        if only in "tokenizers gpt1's pair":
            wrong += compare("tokenizers gpt1's pair of files", folder, batch, lambda t: tokenizer.encode(t).ids)
    print("all the same" if not wrong else f"{wrong} differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
