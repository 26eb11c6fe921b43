"""Takes the figures of cuda.md on an NVIDIA GPU, each beside PyTorch on the same card in the same run:

    python3 benchmarks/cuda.py                        # all, three rounds; needs a built Loom, and PyTorch in this python
    python3 benchmarks/cuda.py --only decode --rounds 5
    python3 benchmarks/cuda.py --smoke                # a toy on the CPU, to see that everything runs: no figure of it means anything

PyTorch's side (cuda_torch.py) is made and compiled once for each workload and then waits; a round measures it and then Loom, a process
of its own. Where PyTorch is missing, Loom alone is measured, and the table says so.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent

# Part of nvidia-smi's name (the first that fits), dense bfloat16 FLOP/s with float32 accumulation, bytes/s of memory, and where that
# is written. Data sheets that give only the figure "with sparsity" are halved.
CARDS = [
    ("B200", 2250e12, 8.0e12, "NVIDIA DGX B200 data sheet, an eighth"),
    ("GH200", 989.4e12, 4.0e12, "NVIDIA GH200 data sheet, HBM3"),
    ("H200 NVL", 835.5e12, 4.8e12, "NVIDIA H200 data sheet"),
    ("H200", 989.4e12, 4.8e12, "NVIDIA H200 data sheet, SXM"),
    ("H100 NVL", 835.5e12, 3.9e12, "NVIDIA H100 data sheet"),
    ("H100 PCIe", 756.4e12, 2.0e12, "NVIDIA H100 Tensor Core GPU Architecture (white paper), PCIe"),
    ("H100", 989.4e12, 3.35e12, "NVIDIA H100 Tensor Core GPU Architecture (white paper) and data sheet, SXM5"),
    ("A100-SXM4-80GB", 312e12, 2.039e12, "NVIDIA A100 data sheet"),
    ("A100 80GB PCIe", 312e12, 1.935e12, "NVIDIA A100 data sheet"),
    ("A100", 312e12, 1.555e12, "NVIDIA A100 data sheet, 40 GB"),
    ("L40S", 362.05e12, 0.864e12, "NVIDIA L40S data sheet"),
    ("RTX 4090", 165.2e12, 1.008e12, "NVIDIA Ada GPU Architecture (white paper)"),
    ("RTX 3090", 71e12, 0.936e12, "NVIDIA Ampere GA102 GPU Architecture (white paper)"),
]

SMALL = {"model.layers": 2, "model.width": 64, "model.attention.heads": 2, "model.vocab_size": 512}


class Failed(Exception):
    pass


def say(text):
    print(text, file=sys.stderr, flush=True)


class PyTorch:
    """cuda_torch.py at work on one workload; `reason` says why it is not."""

    def __init__(self, workload, options, batch=1):
        self.reason, self.facts, self.process = "", {}, None
        command = [options.python, str(HERE / "cuda_torch.py"), workload, "--batch", str(batch)]
        command += ["--smoke"] * options.smoke + ["--no-compile"] * options.no_compile
        if options.no_pytorch:
            self.reason = "not asked for"
            return
        say(f"{workload}: PyTorch prepares …")
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.facts = self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        try:
            found = json.loads(line) if line else {"error": f"it ended with status {self.process.wait()}"}
        except ValueError:
            found = {"error": line.strip()[:200]}
        if "error" in found:
            self.reason = found["error"]
            say(f"PyTorch: {self.reason}")
            self.close()
            return {}
        return found

    def measure(self):
        """What it found, or nothing where it is not at work."""
        if self.process is None:
            return {}
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.answer()

    def close(self):
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait()
            self.process = None


def loom(options, *arguments):
    command = [str(options.runner), "bench", *map(str, arguments), "--json", "--device", "cpu" if options.smoke else "cuda"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise Failed((done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1])
    return json.loads(done.stdout)


def settings(found):
    return [part for path, value in found.items() for part in ("--set", f"{path}={value}")]


def summary(values):
    values = [value for value in values if value is not None]
    return {"median": statistics.median(values), "min": min(values), "max": max(values)} if values else None


def ratio(ours, theirs):
    """Of neighbours in time, round by round."""
    return summary([a / b for a, b in zip(ours, theirs) if b]) if all(theirs) and theirs else None


# Workloads


def training(name, config, own, options, card):
    """Tokens a second of whole steps, at the largest batch that both sides hold."""
    toy = SMALL | own["toy"] if options.smoke else {}
    for batch in [2] if options.smoke else own["batches"]:
        theirs = PyTorch(name, options, batch)
        flags = settings(toy | {"train.batch": batch, "train.grad_accumulation": 1})
        rounds = []
        try:
            for number in range(1, options.rounds + 1):
                torch = theirs.measure()
                if "memory" in theirs.reason:
                    raise Failed(theirs.reason)
                ours = loom(options, f"configs/{config}.json", "--steps", 2 if options.smoke else 20, *flags)
                rounds.append({"pytorch": torch, "loom": ours})
                say(f"{name}, batch {batch}, round {number} of {options.rounds}: PyTorch {torch.get('tokens_per_second', 0):,.0f}, "
                    f"Loom {ours['train_tokens_per_second']:,.0f} tokens/s")
        except Failed as failure:
            if "memory" in str(failure) and batch != own["batches"][-1] and not options.smoke:
                say(f"{name}: batch {batch} does not fit ({failure}); trying less")
                continue
            raise
        finally:
            theirs.close()
        ours = [each["loom"]["train_tokens_per_second"] for each in rounds]
        pytorch = [each["pytorch"].get("tokens_per_second") for each in rounds]
        flops = rounds[0]["loom"]["flops_per_token"]
        result = {
            "batch": batch, "context": toy.get("model.context", own["context"]), "pytorch_facts": theirs.facts, "pytorch_missing": theirs.reason,
            "loom": summary(ours), "pytorch": summary(pytorch), "ratio": ratio(ours, pytorch), "flops_per_token": flops,
            "loom_tensor_peak_bytes": rounds[0]["loom"]["tensor_peak_bytes"],
            "pytorch_peak_memory_bytes": rounds[0]["pytorch"].get("peak_memory_bytes"),
            "matrix_product_flops_per_second": rounds[0]["loom"]["matrix_product_flops_per_second"], "rounds": rounds,
        }
        if card:
            for side in ("loom", "pytorch"):
                if result[side]:
                    result[f"{side}_utilization"] = result[side]["median"] * flops / card[1]
        return result
    raise Failed("no batch fits")


GPT2 = {"context": 1024, "batches": [64, 32, 16, 8, 4], "toy": {"model.context": 64}}
NANOCHAT = {"context": 2048, "batches": [32, 16, 8, 4, 2], "toy": {"model.context": 256, "model.layers": 4, "model.width": 128}}


def attention(options, card):
    """Seconds of forward and backward at every case that cuda_torch.py names; without PyTorch, at the same cases."""
    theirs = PyTorch("attention", options)
    rounds = []
    try:
        for number in range(1, options.rounds + 1):
            torch = theirs.measure().get("attention") or attention_cases(options.smoke)
            found = []
            for case in torch:
                flags = ["--batch", case["batch"], "--context", case["context"], "--heads", case["heads"], "--head-dim", case["head_dim"]]
                flags += [] if case["window"] is None else ["--window", case["window"]]
                ours = loom(options, "--attention", *flags, "--steps", 2 if options.smoke else 10)
                found.append({"case": case, "loom": ours["attention"][0]})
            rounds.append(found)
            say(f"attention, round {number} of {options.rounds} done")
    finally:
        theirs.close()
    rows = []
    for index, first in enumerate(rounds[0]):
        case = {key: first["case"][key] for key in ("batch", "context", "heads", "head_dim", "window")}
        row = dict(case, pytorch_kernels=sorted(first["case"].get("kernels", {})))
        for phase in ("forward", "backward"):
            ours = [each[index]["loom"][f"{phase}_seconds"] for each in rounds]
            kernels = [
                {name: kernel[f"{phase}_seconds"] for name, kernel in each[index]["case"].get("kernels", {}).items()} for each in rounds]
            best = [min(each.values()) if each else None for each in kernels]
            row[phase] = {
                "loom_seconds": summary(ours), "pytorch_seconds": summary(best), "ratio": ratio(best, ours) if all(best) else None,
                "kernel_seconds": {name: statistics.median(each[name] for each in kernels if name in each) for name in kernels[0]},
                "flops": first["loom"][f"{phase}_flops"],
            }
            # Above 1, Loom is faster: speed of Loom over PyTorch's fastest kernel.
        rows.append(row)
    for row in rows:
        same = [each for each in rows if each["window"] is None and all(each[key] == row[key] for key in ("head_dim", "context"))]
        whole = same[0] if same else None
        if row["window"] is not None and whole:
            row["times_full"] = {
                phase: whole[phase]["loom_seconds"]["median"] / row[phase]["loom_seconds"]["median"] for phase in ("forward", "backward")}
    return {"rows": rows, "pytorch_facts": theirs.facts, "pytorch_missing": theirs.reason}


def attention_cases(smoke):
    tokens, width, contexts, window = (256, 128, (64, 128), 16) if smoke else (16384, 2048, (1024, 4096), 256)
    cases = [(context, dim, None) for context in contexts for dim in (64, 128)] + [(contexts[-1], dim, window) for dim in (64, 128)]
    return [
        {"batch": tokens // context, "context": context, "heads": width // dim, "head_dim": dim, "window": seen}
        for context, dim, seen in cases
    ]


def decoding(options, card):
    theirs = PyTorch("decode", options)
    toy = settings(SMALL | {"model.context": 64}) if options.smoke else []
    batches, context, steps = ("1,4", 16, 8) if options.smoke else ("1,64", 512, 64)
    rounds = []
    try:
        for number in range(1, options.rounds + 1):
            torch = {each["batch"]: each["tokens_per_second"] for each in theirs.measure().get("decode", [])}
            ours = loom(
                options, "configs/gpt2.json", *toy, "--set", "train.precision=auto", "--decode", "--batch", batches, "--context", context,
                "--steps", steps, "--weights", "bfloat16", "--kv", "bfloat16")
            rounds.append({"pytorch": torch, "loom": ours})
            say(f"decode, round {number} of {options.rounds}: Loom {[round(p['decode_tokens_per_second']) for p in ours['decode']]} tokens/s")
    finally:
        theirs.close()
    rows = []
    for index, point in enumerate(rounds[0]["loom"]["decode"]):
        points = [each["loom"]["decode"][index] for each in rounds]
        ours = [each["decode_tokens_per_second"] for each in points]
        pytorch = [each["pytorch"].get(point["batch"]) for each in rounds]
        row = {
            "batch": point["batch"], "loom": summary(ours), "pytorch": summary(pytorch), "ratio": ratio(ours, pytorch),
            "bytes_read_per_step": point["bytes_read_per_step"], "loom_bytes_per_second": summary([p["bytes_per_second"] for p in points]),
        }
        if card:
            row["loom_of_bandwidth"] = row["loom_bytes_per_second"]["median"] / card[2]
        rows.append(row)
    return {"rows": rows, "rounds": rounds, "pytorch_facts": theirs.facts, "pytorch_missing": theirs.reason}


# Results


def number(value, digits=0, unit=""):
    return "—" if value is None else f"{value:,.{digits}f}{unit}"


def spread(figures, digits=0, scale=1.0):
    if figures is None:
        return "—"
    return "{0:,.{d}f} ({1:,.{d}f}–{2:,.{d}f})".format(*(figures[key] * scale for key in ("median", "min", "max")), d=digits)


def percent(value):
    return "—" if value is None else f"{value * 100:.0f} %"


def tables(results):
    lines = ["| training | batch | PyTorch tok/s | Loom tok/s | ratio | PyTorch MFU | Loom MFU |", "|---|---:|---:|---:|---:|---:|---:|"]
    for name in ("gpt2", "nanochat"):
        found = results.get(name)
        if not found:
            continue
        if "error" in found:
            lines.append(f"| {name} | {found['error']} | | | | | |")
            continue
        lines.append("| " + " | ".join([
            f"{name}, T = {found['context']}", str(found["batch"]), spread(found["pytorch"]), spread(found["loom"]),
            spread(found["ratio"], 2), percent(found.get("pytorch_utilization")), percent(found.get("loom_utilization"))]) + " |")
    found = results.get("attention")
    if found:
        lines += ["", "| attention | PyTorch's fastest ms | Loom ms | ratio | Loom TFLOP/s | of full |", "|---|---:|---:|---:|---:|---:|"]
        if "error" in found:
            lines.append(f"| {found['error']} | | | | | |")
        for row in found.get("rows", []):
            for phase in ("forward", "backward"):
                each = row[phase]
                names = each["kernel_seconds"]
                best = f" ({min(names, key=names.get)})" if names else ""
                window = "" if row["window"] is None else f", window {row['window']}"
                speed = each["flops"] / each["loom_seconds"]["median"] / 1e12
                lines.append("| " + " | ".join([
                    f"T = {row['context']}, D = {row['head_dim']}{window}, {phase}", spread(each["pytorch_seconds"], 3, 1e3) + best,
                    spread(each["loom_seconds"], 3, 1e3), spread(each["ratio"], 2), number(speed, 1),
                    number(row["times_full"][phase], 1, "×") if "times_full" in row else ""]) + " |")
    found = results.get("decode")
    if found:
        lines += ["", "| decode | PyTorch tok/s | Loom tok/s | ratio | Loom GB/s | of the card's |", "|---|---:|---:|---:|---:|---:|"]
        if "error" in found:
            lines.append(f"| {found['error']} | | | | | |")
        for row in found.get("rows", []):
            lines.append("| " + " | ".join([
                f"GPT-2 124M, batch {row['batch']}", spread(row["pytorch"]), spread(row["loom"]), spread(row["ratio"], 2),
                spread(row["loom_bytes_per_second"], 0, 1e-9), percent(row.get("loom_of_bandwidth"))]) + " |")
    return "\n".join(lines)


def goals(results):
    """The figures that were set as goals, and whether each is reached: [(what, wanted, found or None)]."""
    def at(*keys):
        found = results
        for key in keys:
            try:
                found = found[key]
            except (KeyError, IndexError, TypeError):
                return None
        return found

    listed = [
        ("GPT-2 training, tokens/s", 500_000, at("gpt2", "loom", "median")),
        ("GPT-2 training, model FLOP utilization", 0.5, at("gpt2", "loom_utilization")),
        ("GPT-2 training, times PyTorch", 1.1, at("gpt2", "ratio", "median")),
        ("nanochat training, times PyTorch", 1.1, at("nanochat", "ratio", "median")),
    ]
    for row in at("attention", "rows") or []:
        for phase in ("forward", "backward"):
            name = f"attention {phase}, T = {row['context']}, D = {row['head_dim']}"
            if row["window"] is None:
                listed.append((f"{name}, times PyTorch's fastest", 0.8, (row[phase]["ratio"] or {}).get("median")))
            elif "times_full" in row:
                listed.append((f"{name}, window {row['window']}, times full", 5, row["times_full"][phase]))
    one, many = at("decode", "rows", 0), at("decode", "rows", 1)
    listed.append(("decode, batch 1, share of memory bandwidth", 0.6, one and one.get("loom_of_bandwidth")))
    listed.append(("decode, batch 64 over batch 1", 20, many and many["loom"]["median"] / one["loom"]["median"]))
    return listed


def card_here(name):
    return next((card for card in CARDS if all(word in name for word in card[0].split())), None)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ("gpt2", "nanochat", "attention", "decode")
    parser.add_argument("--only", action="append", choices=names, help="repeatable")
    parser.add_argument("--rounds", type=int, default=3, help="how often each workload runs on each side (3)")
    parser.add_argument("--runner", type=Path, default=ROOT / ".build/release/runner", help="Loom (.build/release/runner)")
    parser.add_argument("--python", default=sys.executable, help="a python with PyTorch (this one)")
    parser.add_argument("--no-pytorch", action="store_true", help="Loom alone")
    parser.add_argument("--no-compile", action="store_true", help="PyTorch without torch.compile")
    parser.add_argument("--batch", type=int, help="of training, instead of the largest that fits")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes on the CPU: only to see that it runs")
    parser.add_argument("--out", type=Path, default=ROOT / "runs/cuda.json", help="results; the tables go beside it as .md")
    options = parser.parse_args()
    options.runner = options.runner.absolute()
    if not options.runner.exists():
        parser.error(f"there is no {options.runner}; build it, or name it with --runner")
    if options.rounds < 1:
        parser.error("--rounds is at least 1")

    try:
        device = loom(options, "--attention", "--context", 64, "--steps", 1)["device"]
    except Failed as failure:
        raise SystemExit(f"Loom: {failure}")
    card = None if options.smoke else card_here(device)
    if card is None and not options.smoke:
        say(f"{device} is not in this script's table of cards: shares of its peaks are left out")
    if options.batch:
        GPT2["batches"] = NANOCHAT["batches"] = [options.batch]
    makers = {
        "gpt2": lambda: training("gpt2", "gpt2", GPT2, options, card),
        "nanochat": lambda: training("nanochat", "nanochat-d12", NANOCHAT, options, card),
        "attention": lambda: attention(options, card), "decode": lambda: decoding(options, card),
    }
    results = {}
    report = {
        "smoke": options.smoke, "device": device, "peaks": card and dict(zip(("name", "bf16_flops", "bytes_per_second", "source"), card)),
        "system": platform.platform(), "time": time.strftime("%Y-%m-%d %H:%M"), "command": sys.argv, "results": results,
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    for name in options.only or names:
        try:
            results[name] = makers[name]()
        except Failed as failure:
            say(f"{name}: {failure}")
            results[name] = {"error": str(failure)}
        # After each, so that what is found stays found.
        report["goals"] = [{"what": what, "wanted": wanted, "found": found} for what, wanted, found in goals(results)]
        options.out.write_text(json.dumps(report, indent=2) + "\n")

    text = ("A SMOKE TEST: none of this is a figure.\n\n" if options.smoke else "") + f"On {device}, {report['time']}"
    text += f"; peaks by {card[3]}: {card[1] / 1e12:,.1f} TFLOP/s in bfloat16, {card[2] / 1e12:.2f} TB/s.\n\n" if card else ".\n\n"
    text += tables(results) + "\n\n| goal | wanted | found | |\n|---|---:|---:|---|\n"
    for what, wanted, found in goals(results):
        verdict = "" if found is None or options.smoke else "reached" if found >= wanted else "NOT reached"
        text += f"| {what} | {number(wanted, 0 if wanted >= 5 else 2)} | {number(found, 0 if wanted >= 1000 else 2)} | {verdict} |\n"
    reasons = {name: found.get("pytorch_missing") for name, found in results.items() if found.get("pytorch_missing")}
    for name, reason in reasons.items():
        text += f"\n{name}: no PyTorch beside it: {reason}"
    print(text)
    options.out.with_suffix(".md").write_text(text + "\n")
    say(f"written to {options.out} and {options.out.with_suffix('.md')}")
    return 1 if any("error" in result for result in results.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
