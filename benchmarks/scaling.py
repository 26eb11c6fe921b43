"""How Loom's cost grows: with threads, with the context, with the window.

    python3 benchmarks/scaling.py

Prints three tables, each from `./runner bench` in turn, every figure the median of the rounds. README.md says what is expected.
"""

import argparse
import json
import statistics
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def bench(config, settings=(), flags=()):
    command = [str(ROOT / "runner"), "bench", str(ROOT / f"configs/{config}.json"), "--json", *flags]
    for setting in settings:
        command += ["--set", setting]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr.strip() or f"{' '.join(command)} failed")
    return json.loads(done.stdout)


def medians(rounds, cases, measure):
    """The median of each case's figures; cases take turns, so that a busy moment does not hit one of them alone."""
    figures = {case: [] for case in cases}
    for _ in range(rounds):
        for case in cases:
            figures[case].append(measure(case))
    return {case: statistics.median(found) for case, found in figures.items()}


def threads(rounds, most):
    print("\nthreads: nanogpt-baby without dropout, batch 8 × 256, tokens/s")
    quiet = ["model.vocab_size=65", "train.batch=8"] + [
        f"model.{part}=0" for part in ("embedding.dropout", "attention.dropout", "attention.output_dropout", "mlp.dropout")
    ]
    cases = [count for count in (1, 2, 4, 8, 16, 32) if count <= most]
    found = medians(rounds, cases, lambda count: bench(
        "nanogpt-baby", quiet, ["--steps", "3", "--threads", str(count)])["train_tokens_per_second"])
    for count in cases:
        print(f"  {count:3}  {found[count]:10,.0f}  {found[count] / found[1]:5.2f} × one thread")


def contexts(rounds):
    print("\ncontext: small with rotary positions, 4,096 tokens a step, microseconds a token")
    base = ["model.vocab_size=1024", "model.position=rope", "train.grad_accumulation=1"]
    cases = [(context, window) for context in (256, 512, 1024, 2048, 4096) for window in (None, 128)]

    def cost(case):
        context, window = case
        settings = base + [f"model.context={context}", f"train.batch={4096 // context}"]
        settings += [f"model.attention.window={window}"] if window else []
        found = bench("small", settings, ["--steps", "3"])
        attention = sum(o["seconds"] for o in found["operations"] if "attention" in o["operation"].lower())
        tokens = found["tokens_per_step"]
        return 1e6 * found["seconds_per_step"] / tokens, 1e6 * attention / tokens

    figures = {case: [] for case in cases}
    for _ in range(rounds):
        for case in cases:
            figures[case].append(cost(case))
    print("  context  all      of it attention  window 128  of it attention")
    for context in (256, 512, 1024, 2048, 4096):
        row = [statistics.median(part) for window in (None, 128) for part in zip(*figures[context, window])]
        print(f"  {context:7,}  {row[0]:7.2f}  {row[1]:15.2f}  {row[2]:10.2f}  {row[3]:15.2f}")


def decoding(rounds):
    print("\ndecoding: gqa-rope at a context of 8,192, one sequence, microseconds a token, after so many tokens")
    base = ["model.vocab_size=1024", "model.context=8192"]
    cases = [(length, window) for length in (128, 512, 2048, 8000) for window in (None, 128)]

    def cost(case):
        length, window = case
        settings = base + ([f"model.attention.window={window}"] if window else [])
        found = bench("gqa-rope", settings, ["--decode", "--batch", "1", "--context", str(length), "--steps", "64"])
        return 1e6 / found["decode"][0]["decode_tokens_per_second"]

    found = medians(rounds, cases, cost)
    print("  tokens  all      window 128")
    for length in (128, 512, 2048, 8000):
        print(f"  {length:6,}  {found[length, None]:7.1f}  {found[length, 128]:7.1f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2, help="the most threads to try")
    options = parser.parse_args()
    threads(options.rounds, options.threads)
    contexts(options.rounds)
    decoding(options.rounds)
