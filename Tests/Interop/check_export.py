"""Exports runs and asks the reference implementation whether it says the same of them.

    python check_export.py RUNNER        torch, transformers and safetensors must be there; run.sh sees to that

For each checkpoint of Tests/Fixtures/interop: ./runner import, ./runner export, then transformers (or nanoGPT's model as
generate_interop.py has it, through torch.load(weights_only=True)) loads the result, and its logits are compared with
those that the fixture was made with: 1e-4 of the largest at most. For each family's config in configs/ a tiny run is trained
from scratch and exported, and the probabilities of every token after a prompt are compared with those that ./runner inspect
shows. One line each; the exit status says whether all agree.
"""

import json

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


# Configs whose runs some family of Hugging Face can say, or nanoGPT.
TRAINED = {"small": "hf", "gpt1-small": "hf", "llama-small": "hf", "mistral-small": "hf", "mixtral-small": "hf", "gemma2-small": "hf",
           "qwen3-small": "hf", "nanogpt-cpu": "nanogpt"}
SETTINGS = ["train.steps=3", "train.batch=2", "train.grad_accumulation=1", "train.eval_batches=1", "data.source=stories",
            "data.characters=30000", "data.tokenizer=byte", "model.layers=2", "model.context=128"]
# Longer than the windows of these configs.
PROMPT = "Once upon a time there was a lighthouse keeper, and his lamp was the only one for miles around."


def run(*words):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True)


def hub(folder):
    from transformers import AutoModelForCausalLM
    model, report = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"], report
    return lambda tokens: model.eval()(tokens).logits


def nanogpt(folder):
    checkpoint = torch.load(folder / "ckpt.pt", map_location="cpu", weights_only=True)
    args = checkpoint["model_args"]
    # The reference is of the module's sizes.
    for size, name in {"V": "vocab_size", "C": "n_embd", "LAYERS": "n_layer", "HEADS": "n_head", "CONTEXT": "block_size"}.items():
        setattr(generate_interop, size, args[name])
    model = generate_interop.NanoGPT(args["bias"])
    model.load_state_dict(checkpoint["model"])
    return model


def trained(runner, name, form, place):
    """A line, and whether the reference says of a run trained here what ./runner inspect says of it."""
    words = [word for setting in SETTINGS for word in ("--set", setting)]
    made = run(runner, "train", FIXTURES.parent.parent / "configs" / f"{name}.json", "--out", place / "run", *words)
    exported = run(runner, "export", place / "run", "--format", form, "--out", place / form)
    shown = run(runner, "inspect", place / "run", "--lens", PROMPT, "--top", "256", "--json")
    for step in (made, exported, shown):
        if step.returncode:
            return False, step.stderr.strip()
    ours = torch.zeros(len(PROMPT), 256)
    for position, top in enumerate(json.loads(shown.stdout)["lens"]["layers"][-1]["top"]):
        for token in top:
            ours[position, token["id"]] = token["probability"]
    with torch.no_grad():
        logits = {"hf": hub, "nanogpt": nanogpt}[form](place / form)(torch.tensor(list(PROMPT.encode()))[None])[0]
    error = float((logits.softmax(-1) - ours).abs().max() / ours.max())
    return error <= 1e-4, f"{exported.stdout.strip().split(':')[0]}, off by {error:.1e}"


def tell(ok, line, name, form):
    print(f"{'ok ' if ok else 'BAD'} {name:14} {form:8} {line}", flush=True)
    return not ok


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
                failures += tell(ok, line, name, form)
        for name, form in TRAINED.items():
            failures += tell(*trained(runner, name, form, Path(scratch) / name), name, form)
    return failures


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1]) else 0)
