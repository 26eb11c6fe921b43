#!/usr/bin/env python3
"""Trains the same configs on the CPU and on a GPU and holds the two together:

    train.py FOLDER RUNNER [all] [STEPS]    the software GPU: FOLDER has what build.sh builds, RUNNER is the program
    train.py --real RUNNER [few] [STEPS]    the GPU of this machine and the system's libraries; LOOM_CUDA_LIBRARIES is kept

With `all`, every small config; with `few`, some that cover every kernel. The software GPU takes few and 6 steps unless told
otherwise, a real one all and 20.
What is checked: losses and gradient norms step by step, in float32 and in bfloat16; steps that are replayed and steps that are not;
dropout; checkpoints that move between devices; samples, evaluation, the KV cache, the benchmark; what is said when memory runs out,
when a kernel fails, when a library is missing (these three on the software GPU alone). Exit status 1 on a difference.
"""
import json
import os
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import tempfile

if len(sys.argv) < 3:
    raise SystemExit(__doc__)
real = sys.argv[1] == "--real"
folder, runner = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
everything = "few" not in sys.argv[3:] if real else "all" in sys.argv[3:]
numbers = [int(argument) for argument in sys.argv[3:] if argument.isdigit()]
steps = numbers[0] if numbers else 20 if real else 6
root = pathlib.Path(__file__).resolve().parents[2]
scratch = pathlib.Path(tempfile.mkdtemp(prefix="loom-software-gpu-"))
failures = 0
# float32: as far as two ways of adding may part over a run. bfloat16 has 8 bits of mantissa: losses of some 7 nats differ by hundredths.
BANDS = {"float32": 1e-4, "tf32": 5e-3, "bfloat16": 3e-2}


def environment(**extra):
    if real:
        return dict(os.environ, **extra)
    found = dict(os.environ, LD_LIBRARY_PATH=str(folder), LOOM_CUDA_CACHE=str(folder / "cache"), LOOM_SOFTWARE_GPU_MULTIPROCESSORS="1")
    for name in ("LOOM_SOFTWARE_GPU_FAIL", "LOOM_SOFTWARE_GPU_MEMORY", "LOOM_CUDA_LIBRARIES"):
        found.pop(name, None)
    found.update(extra)
    return found


def run(*arguments, expect=0, **extra):
    done = subprocess.run([runner, *map(str, arguments)], cwd=root, env=environment(**extra), capture_output=True, text=True)
    if expect is not None and done.returncode != expect:
        fail(f"{' '.join(map(str, arguments))}: status {done.returncode}: {(done.stderr or done.stdout).strip()[-400:]}")
    return done


def fail(text):
    global failures
    failures += 1
    print(f"FAILED: {text}", flush=True)


def tiny(config, count, context=32, *extra):
    settings = [
        f"model.context={context}", "model.layers=2", f"train.steps={count}", "train.batch=2", "train.grad_accumulation=2",
        f"train.eval_interval={count}", "train.eval_batches=1", "train.log_interval=1", "train.sample_tokens=0", "data.characters=60000",
        "data.source=stories", *extra]
    return [f"configs/{config}.json", "--seed", "1", *(part for setting in settings for part in ("--set", setting))]


def metrics(path):
    return [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]


def train(name, device, command, **extra):
    out = scratch / f"{name}-{device}"
    run("train", *command, "--device", device, "--out", out, **extra)
    return metrics(out) if (out / "metrics.jsonl").exists() else []


on_cpu = {}  # the CPU computes in float32 whatever the GPU does


def together(name, command, precision="float32"):
    """Trains on both and compares; the largest difference of a loss."""
    key = tuple(map(str, command))
    if key not in on_cpu:
        on_cpu[key] = train(f"{name}-{len(on_cpu)}", "cpu", command)
    cpu = on_cpu[key]
    gpu = train(f"{name}-{precision}-{len(on_cpu)}", "cuda", [*command, "--set", f"train.precision={precision}"])
    if len(cpu) != len(gpu) or not cpu:
        return fail(f"{name}: {len(cpu)} lines of metrics on the CPU, {len(gpu)} on the GPU")
    worst = max(abs(a["train_loss"] - b["train_loss"]) for a, b in zip(cpu, gpu))
    worst = max(worst, abs(cpu[-1]["val_loss"] - gpu[-1]["val_loss"]))
    norms = max(abs(a["grad_norm"] / b["grad_norm"] - 1) for a, b in zip(cpu, gpu))
    band = BANDS[precision]
    if not worst <= band or not norms <= band * 10:
        fail(f"{name} in {precision}: losses differ by {worst:.2e} (of {band:.0e}), gradient norms by {norms:.2e}")
    print(f"{name:24} {precision:9} {len(cpu):3} steps  loss {cpu[0]['train_loss']:.3f} → {cpu[-1]['train_loss']:.3f}"
          f"  largest difference {worst:.1e}, of a gradient's norm {norms:.1e}", flush=True)


def configs():
    few = [("gqa-rope", 32), ("nanochat-small", 80), ("gemma2-small", 80)]
    if not everything:
        return few
    windowed = {"gemma2-small", "mistral-small", "mixtral-small", "nanochat-small", "sliding-window"}
    names = ["alibi", "gemma2-small", "gpt1-small", "gqa-rope", "lecture", "llama-small", "mistral-small", "mixtral-small", "mqa",
             "nanochat-small", "nanogpt-cpu", "nanogpt-baby", "qk-norm", "qwen3-small", "relu2", "rmsnorm", "rope", "sliding-window",
             "small", "softcap", "swiglu", "value-embeddings"]
    return [(name, 80 if name in windowed else 32) for name in names]


def losses():
    for config, context in configs():
        # At the start all its sublayers give zero and the last norm forgets the stream's size, so gradients by the stream's scales are
        # zero but for rounding, which AdamW without an epsilon to speak of turns into whole steps of either sign: no two ways of
        # adding agree then.
        extra = ["optimizer.eps=1e-6"] if config == "nanochat-small" else []
        for precision in ("float32", "bfloat16"):
            together(config, tiny(config, steps, context, *extra), precision)
    # The other Muon; nanochat's own is among the configs. Its products are in bfloat16 where activations are. At these rates the run
    # itself is not steady: at step 14 a gradient's norm goes from 2 to 14 on the CPU, and what comes after is for rounding to decide.
    for precision in ("float32", "bfloat16"):
        together("muon-classic", tiny("nanochat-small", min(steps, 12), 80, "optimizer.variant=classic", "optimizer.eps=1e-6"), precision)
    together("gqa-rope-tf32", tiny("gqa-rope", 3), "tf32")
    # Heads of 64 and 128 dimensions go over tensor cores in bfloat16.
    for dim in (64, 128):
        shape = [f"model.attention.head_dim={dim}", "model.attention.heads=2", "model.attention.kv_heads=1"]
        together(f"gqa-rope-{dim}", tiny("gqa-rope", 4, 72, *shape), "bfloat16")
    # The same masks in every micro-batch, whether a step is replayed or not.
    together("dropout", tiny("small", max(steps, 5), 32, "model.attention.dropout=0.2", "model.mlp.dropout=0.1"))
    # Layers computed again going back, in steps that are replayed too.
    again = ["train.recompute=true", "model.mlp.dropout=0.1"]
    together("recompute", tiny("small", max(steps, 5), 32, *again))
    together("recompute-mixed", tiny("nanochat-small", max(steps, 5), 80, "train.recompute=true"), "bfloat16")
    # Windows that end with their documents: the number of targets that count changes, so no step is replayed.
    # Of a task only the answers count, the same number in every step.
    together("task", tiny("gqa-rope", 5, 64, "data.source=copying"))
    together("isolated", tiny("gqa-rope", 3, 32, "data.documents=isolated"))


def moving():
    """A run goes on where another device left it."""
    whole = train("whole", "cpu", tiny("gqa-rope", 4))
    for first, second in (("cuda", "cpu"), ("cpu", "cuda")):
        out = scratch / f"moved-{first}"
        run("train", *tiny("gqa-rope", 4), "--set", "train.precision=float32", "--set", "train.steps=2", "--device", first, "--out", out)
        run("train", out, "--resume", "--set", "train.steps=4", "--device", second)
        moved = metrics(out)
        if len(moved) != 4 or any(abs(a["train_loss"] - b["train_loss"]) > 1e-4 for a, b in zip(whole, moved)):
            fail(f"begun on {first} and continued on {second}: other losses")
    trained = scratch / "moved-cuda"
    answers = {}
    for device in ("cpu", "cuda"):
        text = run("sample", trained, "--ids", "1,2,3", "--tokens", "12", "--greedy", "--device", device).stdout
        loss = json.loads(run("eval", trained, "--device", device, "--json").stdout)["loss"]
        answers[device] = (text, loss)
        for extra in (["--no-cache"], ["--kv", "bfloat16"], ["--kv", "int8"], ["--weights", "int8"], ["--samples", "3"]):
            other = run("sample", trained, "--ids", "1,2,3", "--tokens", "12", "--greedy", "--device", device, *extra).stdout
            if extra == ["--no-cache"] and other != text:
                fail(f"{device}: other tokens without the cache")
            answers[device + " ".join(extra)] = other
    if answers["cpu"][0] != answers["cuda"][0] or abs(answers["cpu"][1] - answers["cuda"][1]) > 1e-4:
        fail(f"the same weights say other things: {answers['cpu']}, {answers['cuda']}")
    for extra in ("--weights int8", "--samples 3", "--kv bfloat16"):
        if answers["cpu" + extra] != answers["cuda" + extra]:
            if real and extra != "--samples 3":
                # Rounding may fall to the other side where sums are taken in another order, and a tie to the other token.
                print(f"note: sample {extra}: other tokens on the GPU", flush=True)
            else:
                fail(f"sample {extra}: other tokens on the GPU")
    kv = json.loads(run("kv", "configs/gqa-rope.json", "--set", "model.layers=2", "--context", "64", "--dtype", "all", "--device", "cuda",
                        "--json").stdout)
    for row in kv[0]["measurements"]:
        if row["kv_bytes"] != row["kv_bytes_allocated"] or row["decode_tokens_per_second"] <= 0:
            fail(f"kv: {row}")
    bench = json.loads(run("bench", *tiny("gqa-rope", 2)[:1], "--set", "model.layers=1", "--set", "model.context=16", "--set", "train.batch=1",
                           "--steps", "2", "--device", "cuda", "--json").stdout)
    if bench["bytes_allocated_after_first_step"] != 0 or (not real and bench["device"].split()[0] != "Software"):
        fail(f"bench: {bench['bytes_allocated_after_first_step']} bytes after the first step on {bench['device']}")
    predictions()
    print("checkpoints move, samples and losses agree, kv and bench run", flush=True)


def predictions():
    """What `inspect` predicts of the device's memory beside what the device's pool takes."""
    for name, extra in (("gqa-rope", []), ("nanochat-small", []), ("small", ["train.recompute=true", "train.precision=float32"])):
        settings = ["model.context=64", "model.layers=4", "train.batch=2", "train.grad_accumulation=2", *extra]
        command = [f"configs/{name}.json", *(part for setting in settings for part in ("--set", setting)), "--device", "cuda", "--json"]
        taken = json.loads(run("bench", *command, "--steps", "3").stdout)["peak_memory_bytes"]
        found = json.loads(run("inspect", *command).stdout)["memory_prediction"]["pool_bytes"]
        print(f"{name:24} {found / 2**20:.1f} MiB predicted, {taken / 2**20:.1f} taken: ratio {found / taken:.3f}", flush=True)
        if not 0.9 < found / taken < 1.1:
            fail(f"{name}: {found} bytes predicted, {taken} taken")


def calls(done, function):
    """How often the driver was asked for something."""
    line = next((line for line in done.stderr.splitlines() if function in line.replace(":", " ").split()), "")
    return int(next((word for word in line.replace(":", " ").replace("=", " ").split() if word.isdigit()), 0))


def whole_steps():
    """All of a step is captured, the optimizer with it: more steps are more graphs, and nothing else for kernels or products."""
    forms = {"adamw": ("gqa-rope", 32), "muon": ("nanochat-small", 80), "sgd": ("gqa-rope", 32, 'optimizer={"type": "sgd", "lr": 0.1}')}
    for name, form in forms.items():
        asked = []
        for steps in (3, 5):
            command = tiny(form[0], steps, form[1], "train.log_interval=100", *form[2:])
            done = run("train", *command, "--device", "cuda", "--out", scratch / f"whole-{name}-{steps}", LOOM_SOFTWARE_GPU_REPORT="1")
            asked.append([calls(done, function) for function in ("cuGraphLaunch", "cuLaunchKernel", "cublasLtMatmul")])
        (few, *rest), (many, *more) = asked
        if (few, many) != (1, 3) or rest != more or 0 in rest:
            fail(f"{name}: 3 and 5 steps asked for graphs, kernels and products {asked}")
    print("steps are replayed as a whole", flush=True)


def randomize(out):
    """Weights so large and so different that every token changes what comes next, all that a fresh model has at zero included."""
    draw = random.Random(1)
    for path in out.glob("checkpoints/*/model.safetensors"):
        data = bytearray(path.read_bytes())
        start = 8 + struct.unpack_from("<Q", data)[0]
        for name, tensor in json.loads(data[8:start]).items():
            if name.endswith("smear_scale"):
                values = [1.0]
            elif len(tensor.get("shape", [])) > 1:
                values = [draw.gauss(0, 0.3) for _ in range((tensor["data_offsets"][1] - tensor["data_offsets"][0]) // 4)]
            else:
                continue
            struct.pack_into(f"<{len(values)}f", data, start + tensor["data_offsets"][0], *values)
        path.write_bytes(data)


def decoding():
    """Tokens are replayed, and are those of the CPU, which replays nothing."""
    swa = ["model.attention.window=4"]
    forms = {
        # Name: config, context, settings, whether tokens are replayed. 20 tokens go past the contexts: rings go round.
        "rope": ("gqa-rope", 16, [], True),
        "rope, windows": ("gqa-rope", 16, swa, True),
        "alibi": ("alibi", 16, swa, True),
        "sinusoidal": ("gqa-rope", 16, ["model.position=sinusoidal"], True),
        "none": ("gqa-rope", 16, ["model.position=none"], True),
        "learned": ("small", 32, [], True),
        # Past the context everything slides, and is computed anew.
        "learned, sliding": ("small", 12, [], True),
        "mixed residual": ("nanochat-small", 80, [], True),
        "experts": ("mixtral-small", 80, [], False),
    }
    if not everything:
        forms = {name: forms[name] for name in ("rope, windows", "learned, sliding", "mixed residual")}
    for name, (config, context, settings, replays) in forms.items():
        out = scratch / f"decoding-{name}"
        run("train", *tiny(config, 1, context, "train.precision=float32", *settings), "--device", "cpu", "--out", out)
        randomize(out)
        few = [["--greedy"], ["--samples", "3", "--temperature", "1.5"], ["--samples", "2", "--temperature", "2", "--top-k", "40", "--top-p", "0.8"]]
        caches = [["--greedy", "--kv", "bfloat16"], ["--greedy", "--kv", "int8", "--samples", "2"],
                  ["--top-k", "5", "--repetition-penalty", "1.2", "--samples", "2"]]
        for extra in few + (caches if name.startswith("rope") else []):
            command = ["sample", out, "--ids", "1,2,3,4", "--tokens", "20", *extra]
            cpu = run(*command, "--device", "cpu").stdout
            gpu = run(*command, "--device", "cuda", LOOM_SOFTWARE_GPU_REPORT="1")
            launches = calls(gpu, "cuGraphLaunch")
            if gpu.stdout != cpu:
                fail(f"{name} {' '.join(extra)}: the CPU says {cpu.strip()}, the GPU {gpu.stdout.strip()}")
            # The first of them comes from the prompt, and the second's pass makes tables and is not replayed.
            if (launches > 0) != replays or launches > 18:
                fail(f"{name} {' '.join(extra)}: {launches} tokens replayed")
    print("tokens are replayed, and are those of the CPU", flush=True)


def mistakes():
    """What is said, in one line, when the device fails; nothing half written stays."""
    def refused(what, done, *words):
        lines = [line for line in done.stderr.splitlines() if not line.startswith(("note:", "software GPU:"))]
        if done.returncode not in (1, 2) or len(lines) != 1 or not all(word in lines[0] for word in words):
            fail(f"{what}: status {done.returncode}: {done.stderr.strip()[-500:]}")

    command = [*tiny("gqa-rope", 4), "--device", "cuda"]
    refused("memory", run("train", *command, "--out", scratch / "small", expect=None, LOOM_SOFTWARE_GPU_MEMORY=str(48 << 20)), "out of memory",
            "train.batch")
    large = ["--set", "model.width=384", "--set", "model.layers=6"]
    refused("memory, counted", run("train", *command, *large, "--out", scratch / "large", expect=None, LOOM_SOFTWARE_GPU_MEMORY=str(80 << 20)),
            "at least", "weights in bfloat16", "optimizer state", "has 80.0 MiB", "train.batch", "train.recompute")
    out = scratch / "failing"
    done = run("train", *command, "--set", "train.eval_interval=1", "--out", out, expect=None, LOOM_SOFTWARE_GPU_FAIL="cuLaunchKernel:900:719")
    refused("launch", done, "GPU failed")
    for checkpoint in (out / "checkpoints").iterdir() if (out / "checkpoints").exists() else []:
        if not (checkpoint / "state.json").exists():
            fail(f"{checkpoint} is half written")
    refused("device", run("sample", scratch / "moved-cuda", "--device", "cuda", expect=None, LOOM_SOFTWARE_GPU_FAIL="cuCtxSetCurrent:1:101"), "cuCtxSetCurrent")
    for library, word in (("libnvrtc.so.13", "nvidia-cuda-nvrtc"), ("libcublasLt.so.13", "nvidia-cublas"), ("libcuda.so.1", "driver")):
        part = scratch / f"without-{library}"
        shutil.copytree(folder, part, symlinks=True, ignore=shutil.ignore_patterns("cache"))
        for name in part.glob(library.split(".so")[0] + ".so*"):
            name.unlink()
        refused(library, run("train", *command, "--out", scratch / "none", expect=None, LD_LIBRARY_PATH=str(part)), word)
    print("failures are said in a line", flush=True)


try:
    losses()
    moving()
    decoding()
    if not real:
        whole_steps()
        mistakes()
finally:
    shutil.rmtree(scratch, ignore_errors=True)
print(f"{failures} FAILED" if failures else f"{'the' if real else 'the software'} GPU trains as the CPU does")
sys.exit(1 if failures else 0)
