#!/usr/bin/env python3
"""Encoding and training of tokenizers side by side: Loom, tiktoken, tokenizers, rustbpe.

    python3 benchmarks/tokenizer_speed.py [--runs 5] [--megabytes 40] [--vocab 32768]

makes a throwaway environment for the references, and a corpus out of text that every machine has: Python's own library, the
documents of the system, Loom's source, and Tiny Shakespeare where LOOM_DATA has it. GPT-2's vocabulary is the real one where
LOOM_DATA has it, otherwise one that is trained first. Each number is the median of the runs, one program after the other in
turn; one thread unless it says otherwise.
"""
import argparse
import glob
import json
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
import unicodedata

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RUNNER = os.environ.get("LOOM_RUNNER", os.path.join(ROOT, ".build/release/runner"))
DATA = os.environ.get("LOOM_DATA", "")
NANOCHAT = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,2}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
HUB = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,2}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"


def in_environment():
    """Runs this script again with the references installed."""
    with tempfile.TemporaryDirectory() as place:
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
        python = os.path.join(place, "bin", "python")
        subprocess.run([python, "-m", "pip", "install", "-q", "tiktoken", "tokenizers", "rustbpe"], check=True)
        return subprocess.run([python, __file__, "--inside", *sys.argv[1:]]).returncode


def corpus(size):
    library = sysconfig.get_paths()["stdlib"]
    text = []
    total = 0
    for pattern in [f"{ROOT}/Sources/**/*.swift", f"{library}/**/*.py", "/usr/share/doc/**/*", "/usr/share/perl/**/*.p[lm]", "/usr/include/**/*.h"]:
        for path in sorted(glob.glob(pattern, recursive=True)):
            if total > size or not os.path.isfile(path) or os.path.getsize(path) > 2_000_000:
                continue
            try:
                with open(path, encoding="utf-8") as file:
                    content = file.read()
            except (UnicodeDecodeError, OSError):
                continue
            text.append(content)
            total += len(content)
    text = "\n\n".join(text)
    # GPT-2's file makes a token of this one, tiktoken's plain encoding does not.
    text = text.replace("<|endoftext|>", "")
    # Characters newer than some Unicode tables are cut in other ways by some, and counted in other ways.
    new = {c for c in set(text) if unicodedata.category(c) == "Cn"}
    return "".join(c for c in text if c not in new) if new else text


def seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def ours(tokenizer, path, threads):
    out = subprocess.run([RUNNER, "tokenizer", "compare", tokenizer, "--file", path, "--threads", str(threads), "--json"],
                         capture_output=True, check=True)
    row = json.loads(out.stdout)[0]
    return row["seconds"], row["tokens"]


def table(title, rows, size=None):
    print(f"\n{title}\n")
    print("| program | median s | spread s |" + (" MB/s |" if size else ""))
    print("|---|---:|---:|" + ("---:|" if size else ""))
    for name, times in rows.items():
        middle = statistics.median(times)
        print(f"| {name} | {middle:.4f} | {min(times):.4f} to {max(times):.4f} |" + (f" {size / middle / 1e6:.1f} |" if size else ""), flush=True)


def encoding(title, text, place, encoder, hub, vocabulary, runs, threads=1):
    path = os.path.join(place, "text")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    rows = {"Loom": [], "tiktoken": [], "tokenizers": []}
    # Each takes whole lines, as many as there are threads: so the others can use threads at all.
    lines = text.splitlines(keepends=True)
    step = -(-len(lines) // threads)
    parts = ["".join(lines[at:at + step]) for at in range(0, len(lines), step)]
    for _ in range(runs):
        taken, count = ours(vocabulary, path, threads)
        rows["Loom"].append(taken)
        found = []
        rows["tiktoken"].append(seconds(lambda: found.extend(encoder.encode_ordinary_batch(parts, num_threads=threads))))
        rows["tokenizers"].append(seconds(lambda: hub.encode_batch(parts, add_special_tokens=False)))
        if threads == 1 and sum(map(len, found)) != count:
            sys.exit(f"{title}: {count} tokens by Loom, {sum(map(len, found))} by tiktoken")
    table(title, rows, len(text.encode()))


def training(text, place, vocab, runs):
    import rustbpe
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers
    path = os.path.join(place, "corpus.txt")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    documents = text.split("\n\n")
    rows = {"Loom": [], "rustbpe": [], "tokenizers": []}
    same = None
    for run in range(runs):
        out = os.path.join(place, f"trained{run}")
        done = subprocess.run([RUNNER, "tokenizer", "train", path, "--vocab", str(vocab), "--pattern", "nanochat", "--format", "tiktoken",
                               "--out", out, "--json"], capture_output=True, check=True)
        rows["Loom"].append(json.loads(done.stdout)["seconds"])
        trainer = rustbpe.Tokenizer()
        rows["rustbpe"].append(seconds(lambda: trainer.train_from_iterator([text], vocab, pattern=NANOCHAT)))
        if same is None:
            import base64
            with open(out, "rb") as file:
                mine = [base64.b64decode(line.split()[0]) for line in file]
            same = mine == [bytes(token) for token, _ in sorted(trainer.get_mergeable_ranks(), key=lambda entry: entry[1])]
        hub = Tokenizer(models.BPE())
        hub.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(HUB), "isolated"),
                                                     pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
        hub_trainer = trainers.BpeTrainer(vocab_size=vocab, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
        rows["tokenizers"].append(seconds(lambda: hub.train_from_iterator(documents, hub_trainer)))
    table(f"Training {vocab} tokens on {len(text.encode()) / 1e6:.1f} MB, all threads (merges as rustbpe's: {'yes' if same else 'NO'})", rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--megabytes", type=int, default=40)
    parser.add_argument("--vocab", type=int, default=32768)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.inside:
        return in_environment()
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    os.environ["RAYON_NUM_THREADS"] = "1"
    import tiktoken
    from tiktoken.load import load_tiktoken_bpe
    from tokenizers import Tokenizer
    text = corpus(options.megabytes * 1_000_000)
    with tempfile.TemporaryDirectory() as place:
        vocabulary = os.path.join(DATA, "gpt2-bpe")
        if not os.path.exists(vocabulary + "/vocab.bpe"):
            sample = os.path.join(place, "sample.txt")
            with open(sample, "w", encoding="utf-8") as file:
                file.write(text)
            vocabulary = os.path.join(place, "gpt2.json")
            subprocess.run([RUNNER, "tokenizer", "train", sample, "--vocab", "50256", "--pattern", "gpt2", "--out", vocabulary], check=True)
        # tiktoken is given Loom's own export of the vocabulary, and tokenizers as well.
        subprocess.run([RUNNER, "tokenizer", "convert", vocabulary, "--format", "tiktoken", "--out", place + "/ranks"], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([RUNNER, "tokenizer", "convert", vocabulary, "--format", "hf", "--out", place + "/hf.json"], check=True, stdout=subprocess.DEVNULL)
        encoder = tiktoken.Encoding("gpt2", pat_str=GPT2, mergeable_ranks=load_tiktoken_bpe(place + "/ranks"), special_tokens={})
        hub = Tokenizer.from_file(place + "/hf.json")
        shakespeare = os.path.join(DATA, "tinyshakespeare/input.txt")
        if os.path.exists(shakespeare):
            with open(shakespeare, encoding="utf-8") as file:
                encoding("Tiny Shakespeare, GPT-2's vocabulary", file.read(), place, encoder, hub, vocabulary, options.runs)
        for threads in (1, 2):
            os.environ["RAYON_NUM_THREADS"] = str(threads)
            encoding(f"{len(text.encode()) / 1e6:.1f} MB of code and documents, {threads} thread{'s'[:threads - 1]}", text, place, encoder, hub,
                     vocabulary, min(options.runs, 3), threads)
        for length in (250_000, 1_000_000):
            path = os.path.join(place, "letters")
            with open(path, "w", encoding="utf-8") as file:
                file.write("abcdefghij" * (length // 10))
            letters = "abcdefghij" * (length // 10)
            rows = {"Loom": [ours(vocabulary, path, 1)[0] for _ in range(options.runs)],
                    "tiktoken": [seconds(lambda: encoder.encode_ordinary(letters)) for _ in range(options.runs)]}
            table(f"{length} letters without a space", rows, length)
        training(text, place, options.vocab, min(options.runs, 3))
    return 0


if __name__ == "__main__":
    sys.exit(main())
