"""Exports every imported fixture and asks the reference implementation whether it says the same of it.

    python check_export.py RUNNER        torch, transformers and safetensors must be there; run.sh sees to that

For each checkpoint of Tests/Fixtures/interop: ./runner import, ./runner export, then transformers (or nanoGPT's model as
generate_interop.py has it, through torch.load(weights_only=True)) loads the result, and its logits are compared with
those that the fixture was made with: 1e-4 of the largest at most. One line each; the exit status says whether all agree.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ["TQDM_DISABLE"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"

import torch
from safetensors.torch import load_file

FIXTURES = Path(__file__).resolve().parent.parent / "Fixtures"
sys.path.insert(0, str(FIXTURES))
import generate_interop

# What no family of Hugging Face can say: the command must refuse it, and say why.
REFUSED = {"lecture": "head.bias", "nanochat": "qk_scale", "nanogpt_plain": "bias"}


def run(*words):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True)


def hub(folder):
    from transformers import AutoModelForCausalLM
    model, report = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"], report
    return lambda tokens: model.eval()(tokens).logits


def nanogpt(folder):
    checkpoint = torch.load(folder / "ckpt.pt", map_location="cpu", weights_only=True)
    model = generate_interop.NanoGPT(checkpoint["model_args"]["bias"])
    model.load_state_dict(checkpoint["model"])
    return model


def main(runner):
    failures = 0
    with tempfile.TemporaryDirectory() as scratch:
        for fixture in sorted((FIXTURES / "interop").iterdir()):
            name, expected = fixture.name, load_file(fixture / "expected.safetensors")
            place = Path(scratch) / name
            imported = run(runner, "import", fixture / "source", "--out", place / "run")
            formats = [("hf", hub)] + ([("nanogpt", nanogpt)] if name.startswith("nanogpt") else [])
            for form, load in formats:
                exported = run(runner, "export", place / "run", "--format", form, "--out", place / form)
                if form == "hf" and name in REFUSED:
                    ok = exported.returncode == 1 and REFUSED[name] in exported.stderr
                    line = "refused: " + exported.stderr.strip()
                elif exported.returncode:
                    ok, line = False, imported.stderr.strip() + exported.stderr.strip()
                else:
                    with torch.no_grad():
                        logits = load(place / form)(expected["tokens"].long()[None])[0]
                    error = float((logits - expected["logits"]).abs().max() / expected["logits"].abs().max())
                    ok, line = error <= 1e-4, f"{exported.stdout.strip().split(':')[0]}, off by {error:.1e}"
                failures += not ok
                print(f"{'ok ' if ok else 'BAD'} {name:14} {form:8} {line}", flush=True)
    return failures


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1]) else 0)
