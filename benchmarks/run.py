"""Runs the same workloads in PyTorch and in Loom, in turn, and prints how they compare:

    python3 benchmarks/run.py

It installs PyTorch into a throwaway environment and builds Loom; README.md says what is measured and how.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
RUNNER = ROOT / ".build/release/runner"


@dataclass(frozen=True)
class Row:
    """One line of the table: a workload of reference.py, and the config and `bench` flags that are the same in Loom."""

    name: str
    reference: str
    config: str
    settings: dict = field(default_factory=dict)
    flags: tuple = ()
    figure: str = "train_tokens_per_second"

    @property
    def trains(self):
        return self.figure.startswith("train")


def gpt2_training(name, batch, context):
    settings = {"train.batch": batch, "train.grad_accumulation": 1, "model.context": context}
    return Row(name, name, "gpt2", settings)


def gpt2_decoding(name, reference, batch=1, weights="float32", cache="float32", figure="decode_tokens_per_second"):
    flags = ("--decode", "--batch", str(batch), "--context", "512", "--weights", weights, "--kv", cache)
    return Row(name, reference, "gpt2", {}, flags, figure)


CHARACTERS = {"model.vocab_size": 65}
NO_DROPOUT = {
    f"model.{part}": 0 for part in ("embedding.dropout", "attention.dropout", "attention.output_dropout", "mlp.dropout")
}
NANOCHAT = {
    "model.layers": 6, "model.width": 384, "model.attention.heads": 3, "model.vocab_size": 4096,
    "model.context": 512, "model.attention.short_window": 128, "train.batch": 8,
}

ROWS = [
    Row("lecture", "lecture", "lecture", CHARACTERS),
    Row("nanogpt-cpu", "nanogpt-cpu", "nanogpt-cpu", CHARACTERS),
    Row("nanogpt-baby", "nanogpt-baby", "nanogpt-baby", CHARACTERS | NO_DROPOUT),
    Row("nanogpt-baby-dropout", "nanogpt-baby-dropout", "nanogpt-baby", CHARACTERS),
    gpt2_training("gpt2-4x64", 4, 64),
    gpt2_training("gpt2-1x1024", 1, 1024),
    Row("nanochat", "nanochat", "nanochat-small", NANOCHAT),
    gpt2_decoding("gpt2-decode", "gpt2-decode"),
    gpt2_decoding("gpt2-decode-bfloat16", "gpt2-decode", weights="bfloat16", cache="bfloat16"),
    gpt2_decoding("gpt2-decode-bfloat16-both", "gpt2-decode-bfloat16", weights="bfloat16", cache="bfloat16"),
    gpt2_decoding("gpt2-decode-int8", "gpt2-decode", weights="int8"),
    gpt2_decoding("gpt2-decode-16", "gpt2-decode-16", batch=16),
    gpt2_decoding("gpt2-prefill-512", "gpt2-prefill-512", figure="prefill_tokens_per_second"),
]
TRANSFORMERS = gpt2_decoding("gpt2-decode-transformers", "gpt2-decode-transformers")


class Failed(Exception):
    pass


def run_json(command, environment):
    """The JSON object that a program writes."""
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise Failed((done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1])
    return json.loads(done.stdout)


def run_loom(row, options, environment):
    """Tokens per second and peak bytes of a row in Loom."""
    command = [str(RUNNER), "bench", str(ROOT / f"configs/{row.config}.json"), "--json", *row.flags]
    for path, value in row.settings.items():
        command += ["--set", f"{path}={value}"]
    if options.threads:
        command += ["--threads", str(options.threads)]
    result = run_json(command, environment)
    figures = result if row.trains else result["decode"][0]
    return {"tokens_per_second": figures[row.figure], "peak_memory_bytes": result["peak_memory_bytes"]}


def run_pytorch(row, options, python, environment):
    """Tokens per second and peak bytes of a row in PyTorch."""
    command = [str(python), str(HERE / "reference.py"), "--only", row.reference]
    if options.threads:
        command += ["--threads", str(options.threads)]
    if options.compile:
        command.append("--compile")
    return run_json(command, environment)


# Preparing both sides


def install(folder, options):
    """An environment with PyTorch in `folder`: the one that is there, or a new one. Its Python."""
    python = folder / "bin/python"
    if not python.exists():
        say(f"making an environment in {folder}")
        venv.create(folder, with_pip=True)
    packages = [options.torch, "numpy"] + (["transformers"] if options.transformers else [])
    say("installing " + ", ".join(packages))
    # pip's own settings hold: PIP_EXTRA_INDEX_URL can name an index with builds for CPUs, which are smaller.
    subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
    return python


def processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine(), ""
    facts = {}
    for line in lines:
        key, _, value = line.partition(":")
        facts.setdefault(key.strip(), value.strip())
    return facts.get("model name", platform.machine()), facts.get("vendor_id", "")


def pytorch_settings(folder, vendor):
    """Environment variables that make PyTorch faster, and what they do."""
    settings, notes = {}, []
    if platform.system() != "Linux":
        return settings, notes
    if platform.libc_ver()[0] == "glibc":
        keep = str(1 << 32)
        settings |= {"MALLOC_MMAP_THRESHOLD_": keep, "MALLOC_TRIM_THRESHOLD_": keep, "MALLOC_TOP_PAD_": str(64 << 20)}
        notes.append("PyTorch keeps freed memory instead of returning it to the system (MALLOC_*)")
    if platform.machine() == "x86_64" and vendor != "GenuineIntel":
        library = folder / "mkl_all_processors.so"
        source = "int mkl_serv_intel_cpu_true(void) { return 1; }"
        command = ["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(library)]
        if subprocess.run(command, input=source, text=True).returncode != 0:
            raise SystemExit("a C compiler (cc) is needed: without it MKL takes slow kernels on this processor")
        settings["LD_PRELOAD"] = str(library)
        notes.append("MKL takes the same kernels as on Intel's processors (LD_PRELOAD of one function)")
    return settings, notes


def loom_environment():
    environment = dict(os.environ)
    if environment.pop("OPENBLAS_CORETYPE", None):
        say("Loom: let OpenBLAS choose its kernels (OPENBLAS_CORETYPE taken out of the environment)")
    return environment


# Results


def summary(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def summarize(row, rounds):
    """The row's results from its rounds: each a dictionary of the runs {tuned, plain, loom}."""

    def rates(side):
        return [each[side]["tokens_per_second"] for each in rounds]

    pytorch, loom = rates("tuned"), rates("loom")
    result = {
        "workload": row.name, "rounds": rounds, "pytorch": summary(pytorch), "pytorch_as_installed": summary(rates("plain")),
        "loom": summary(loom), "ratio": summary([ours / theirs for ours, theirs in zip(loom, pytorch)]),
        "ratio_of_best": max(loom) / max(pytorch),
    }
    if row.trains:
        # Keeping freed memory costs some: PyTorch's figure is the lower one.
        theirs = min(statistics.median(each[side]["peak_memory_bytes"] for each in rounds) for side in ("tuned", "plain"))
        ours = statistics.median(each["loom"]["peak_memory_bytes"] for each in rounds)
        result |= {"pytorch_memory_bytes": theirs, "loom_memory_bytes": ours, "memory_ratio": ours / theirs}
    return result


def table(results):
    lines = [
        "| workload | PyTorch tok/s | as installed | Loom tok/s | ratio | of the best | PyTorch MB | Loom MB | ratio |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for result in results:
        if "error" in result:
            lines.append(f"| {result['workload']} | {result['error']} | | | | | | | |")
            continue
        cells = [result["workload"]]
        cells += [spread(result[side]) for side in ("pytorch", "pytorch_as_installed", "loom")]
        cells += [spread(result["ratio"], digits=2), f"{result['ratio_of_best']:.2f}"]
        if "memory_ratio" in result:
            cells += [f"{result[side] / 1e6:,.0f}" for side in ("pytorch_memory_bytes", "loom_memory_bytes")]
            cells.append(f"{result['memory_ratio']:.2f}")
        else:
            cells += ["", "", ""]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def spread(figures, digits=None):
    if digits is None:
        digits = 1 if figures["median"] < 1000 else 0
    return "{median:,.{d}f} ({min:,.{d}f}–{max:,.{d}f})".format(d=digits, **figures)


def say(text):
    print(text, file=sys.stderr, flush=True)


def compare(row, options, python, plain, tuned, loom):
    rounds = []
    try:
        for number in range(1, options.rounds + 1):
            runs = {
                "tuned": run_pytorch(row, options, python, tuned),
                "loom": run_loom(row, options, loom),
                "plain": run_pytorch(row, options, python, plain),
            }
            rounds.append(runs)
            rates = ", ".join(f"{side} {run['tokens_per_second']:,.1f}" for side, run in runs.items())
            say(f"{row.name}, round {number} of {options.rounds}: {rates} tokens/s")
    except Failed as failure:
        say(f"{row.name}: {failure}")
        return {"workload": row.name, "error": str(failure)}
    return summarize(row, rounds)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [row.name for row in ROWS]
    parser.add_argument("--only", action="append", choices=names, metavar="NAME", help="repeatable: " + ", ".join(names))
    parser.add_argument("--rounds", type=int, default=5, help="how often each workload runs on each side (5)")
    parser.add_argument("--threads", type=int, help="of both sides; by default each side's own choice")
    parser.add_argument("--compile", action="store_true", help="torch.compile PyTorch's models")
    parser.add_argument("--venv", type=Path, help="keep PyTorch's environment in this folder, or reuse it")
    parser.add_argument("--torch", default="torch", metavar="SPEC", help="what pip installs, such as torch==2.15.0")
    parser.add_argument("--transformers", action="store_true", help="also compare with the generate of transformers")
    parser.add_argument("--out", type=Path, default=ROOT / "runs/benchmarks.json", help="results (runs/benchmarks.json)")
    options = parser.parse_args()
    rows = [row for row in ROWS if not options.only or row.name in options.only]
    if options.transformers:
        rows.append(TRANSFORMERS)

    with tempfile.TemporaryDirectory(prefix="loom-benchmarks-") as temporary:
        subprocess.run([ROOT / "runner", "--help"], check=True, stdout=subprocess.DEVNULL)
        python = install((options.venv or Path(temporary) / "venv").absolute(), options)
        name, vendor = processor()
        settings, notes = pytorch_settings(Path(temporary), vendor)
        for note in notes:
            say(note)
        loom = loom_environment()
        plain = dict(os.environ)
        load = os.getloadavg()[0]
        say(f"{name}, {os.cpu_count()} cores, load average {load:.1f}")
        if load > 0.5:
            say("the machine is busy: PyTorch's threads wait for each other and lose more by that; look at the best rounds")
        results = [compare(row, options, python, plain, plain | settings, loom) for row in rows]

    print(table(results))
    report = {
        "processor": name, "cores": os.cpu_count(), "system": platform.platform(), "time": time.strftime("%Y-%m-%d %H:%M"),
        "pytorch_settings": notes, "results": results,
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=2) + "\n")
    say(f"written to {options.out}")
    return 1 if any("error" in result for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
