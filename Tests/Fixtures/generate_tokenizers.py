#!/usr/bin/env python3
"""Makes the fixtures of the tokenizers' tests: small tokenizers of every kind, texts, and the ids that the reference gives.

    python3 -m venv venv && venv/bin/pip install tiktoken tokenizers rustbpe
    venv/bin/python Tests/Fixtures/generate_tokenizers.py

The versions that made them are written into the fixtures.
"""
import importlib.metadata
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "Interop"))
import tokenizer_models  # noqa: E402
from tokenizer_texts import settled, texts  # noqa: E402

OUT = os.path.join(HERE, "tokenizers")


def write(name, value):
    with open(os.path.join(OUT, name), "w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=True, separators=(",", ":"))
        file.write("\n")


def trained_merges():
    """What rustbpe learns from a small text."""
    import rustbpe
    trainer = rustbpe.Tokenizer()
    text = "\n".join(settled(text) for text in texts(400, seed=5))
    trainer.train_from_iterator([text], 600, pattern=tokenizer_models.NANOCHAT)
    ranks = sorted(trainer.get_mergeable_ranks(), key=lambda entry: entry[1])
    return {"text": text, "pattern": "nanochat", "tokens": [list(bytes(token)) for token, _ in ranks]}


def characters():
    """Every character's class for BERT's parts, as ranges: what is removed, what is a space, an accent, an ideograph, punctuation."""
    from tokenizers import normalizers, pre_tokenizers

    def normalizer(**options):
        return normalizers.BertNormalizer(**{"clean_text": False, "handle_chinese_chars": False, "strip_accents": False, "lowercase": False} | options)

    clean, strip, space = normalizer(clean_text=True), normalizer(strip_accents=True), normalizer(handle_chinese_chars=True)
    mark = pre_tokenizers.Punctuation()
    classes = {
        "removed": lambda c: clean.normalize_str(c) == "",
        "spaces": lambda c: clean.normalize_str(c) == " ",
        "accents": lambda c: strip.normalize_str(c) == "",
        "ideographs": lambda c: space.normalize_str(c) != c,
        "punctuation": lambda c: len(mark.pre_tokenize_str("a" + c)) == 2,
    }
    ranges = {name: [] for name in classes}
    for code in range(0x110000):
        if 0xD800 <= code < 0xE000:
            continue
        for name, holds in classes.items():
            if holds(chr(code)):
                if ranges[name] and ranges[name][-1][1] == code - 1:
                    ranges[name][-1][1] = code
                else:
                    ranges[name].append([code, code])
    return ranges


def main():
    os.makedirs(OUT, exist_ok=True)
    os.environ["LOOM_DATA"] = ""
    tokenizer_models.SIZE = 480
    plain = [settled(text) for text in texts(110, seed=11)]
    special = [settled(text) for text in texts(60, seed=12, specials=True)]
    cases = []
    for name, (encoding, path, flags) in tokenizer_models.rank_encodings(OUT).items():
        if "expression" not in name:
            cases.append({"file": os.path.basename(path), "pattern": flags[1], "ids": [encoding.encode_ordinary(text) for text in plain]})
    for name, (tokenizer, path) in tokenizer_models.hub_tokenizers(OUT).items():
        encoded = [tokenizer.encode(text, add_special_tokens=False).ids for text in plain + special]
        cases.append({
            "file": os.path.basename(path), "ids": encoded[: len(plain)], "special_ids": encoded[len(plain):],
            "template_ids": tokenizer.encode("Hello", add_special_tokens=True).ids,
            "decoded": [tokenizer.decode(ids, skip_special_tokens=False) for ids in encoded],
        })
    tokenizer, folder = tokenizer_models.gpt1_pair(OUT)
    encoded = [tokenizer.encode(text).ids for text in plain]
    cases.append({"file": os.path.basename(folder), "ids": encoded, "decoded": [tokenizer.decode(ids, skip_special_tokens=False) for ids in encoded]})
    write("characters.json", characters())
    versions = {name: importlib.metadata.version(name) for name in ["tiktoken", "tokenizers", "rustbpe"]}
    write("cases.json", {"versions": versions, "texts": plain, "special_texts": special, "cases": cases})
    write("training.json", trained_merges())


if __name__ == "__main__":
    main()
