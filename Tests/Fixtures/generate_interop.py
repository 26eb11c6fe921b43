"""Writes Tests/Fixtures/interop: tiny random checkpoints in every format that Loom imports, made by the reference
implementations, with what those say of them.

    python3 -m venv /tmp/loom-interop
    /tmp/loom-interop/bin/pip install torch transformers safetensors
    /tmp/loom-interop/bin/python Tests/Fixtures/generate_interop.py [NAME ...]

Made with torch 2.15.0, transformers 5.23.0, safetensors 0.8.0. <name>/source is what a user would hand over (a folder or
one file in it); <name>/expected.safetensors has tokens [T], logits [T, V] of the reference in float32, and greedy [64],
its greedy continuation of the tokens. Nothing is near a tie: the likeliest token leads by at least 1e-3 of the logits' range.

Hugging Face's families are transformers' own classes. nanoGPT and the lecture are written anew below, from their
equations and with their names of parameters; nanochat's model is that of generate.py.
"""

import copy
import json
import math
import os
import pickle
import shutil
import struct
import sys
import zlib
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parent))
import generate

FOLDER = Path(__file__).resolve().parent / "interop"
V, C, LAYERS, HEADS, CONTEXT = 61, 16, 2, 4, 96
NEW = 64


def randomize(model, generator, zero_norms=False):
    """Starts nothing at zero or one, so that every parameter matters."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            parts = name.split(".")
            is_norm = any("norm" in part or part.startswith("ln") for part in parts)
            if name.endswith("bias"):
                p.copy_(0.3 * noise)
            elif is_norm:
                p.copy_(0.3 * noise + (0.0 if zero_norms and "q_norm" not in name and "k_norm" not in name else 1.0))
            elif p.dim() == 1 or "lambda" in name:
                p.copy_(0.6 + 0.15 * noise)
            elif any(word in name for word in ("embed", "wte", "wpe", "table")):
                # Where a table is scaled by the root of the width and tied, a token would but repeat itself.
                p.copy_((0.1 if zero_norms else 0.8) * noise)
            else:
                fan_in = p.shape[0] if "c_" in name and is_conv(model, parts) else p.shape[-1]
                p.copy_(1.3 * noise / math.sqrt(fan_in))


def is_conv(model, parts):
    module = model
    for part in parts[:-1]:
        module = getattr(module, part)
    return type(module).__name__ == "Conv1D"


def expect(folder, logits_of, generator):
    """Asks the reference for logits and a greedy continuation, token by token without any cache."""
    tokens = torch.randint(V, (1, 24), generator=generator)
    with torch.no_grad():
        logits = logits_of(tokens)[0]
        sequence, greedy, lead = tokens, [], 1e9
        for _ in range(NEW):
            last = logits_of(sequence)[0, -1]
            top = last.topk(2).values
            lead = min(lead, float((top[0] - top[1]) / (last.max() - last.min())))
            greedy.append(int(last.argmax()))
            sequence = torch.cat([sequence, torch.tensor([[greedy[-1]]])], dim=1)
    ok = lead > 1e-3 and len(set(greedy)) > 4
    save_file(
        {"tokens": tokens[0].int(), "logits": logits.float().contiguous(), "greedy": torch.tensor(greedy).int()},
        folder / "expected.safetensors")
    return ok, lead, len(set(greedy))


# Hugging Face ---------------------------------------------------------------------------------------------------------

def hub(name, config_class, model_class, dtype=torch.float32, form="safetensors", zero_norms=False, **options):
    def make(folder, generator):
        import transformers
        config = getattr(transformers, config_class)(**options)
        config._attn_implementation = "eager"
        model = getattr(transformers, model_class)(config).eval()
        randomize(model, generator, zero_norms)
        # The parameters and nothing else are rounded: converting the whole model would round its rotary angles as well.
        with torch.no_grad():
            for p in model.parameters():
                p.copy_(p.to(dtype))
        source = folder / "source"
        if form == "bin":
            # As old files of the hub are: without the prefix, with the masks.
            state = {k.removeprefix("transformer."): v for k, v in model.state_dict().items() if k != "lm_head.weight"}
            for layer in range(LAYERS):
                state[f"h.{layer}.attn.bias"] = torch.tril(torch.ones(CONTEXT, CONTEXT, dtype=torch.uint8))[None, None]
                state[f"h.{layer}.attn.masked_bias"] = torch.tensor(-1e4)
            source.mkdir()
            config.save_pretrained(source)
            torch.save(state, source / "pytorch_model.bin")
        else:
            copy.deepcopy(model).to(dtype).save_pretrained(source, **({"max_shard_size": "12KB"} if form == "sharded" else {}))
        (source / "generation_config.json").unlink(missing_ok=True)
        return lambda tokens: model(tokens).logits
    return name, make


DECODER = dict(
    vocab_size=V, hidden_size=C, num_hidden_layers=LAYERS, num_attention_heads=HEADS, intermediate_size=24,
    max_position_embeddings=CONTEXT)
GPT = dict(vocab_size=V, n_positions=CONTEXT, n_embd=C, n_layer=LAYERS, n_head=HEADS)

HUB = [
    hub("gpt2", "GPT2Config", "GPT2LMHeadModel", **GPT),
    hub("gpt2_sharded", "GPT2Config", "GPT2LMHeadModel", dtype=torch.float16, form="sharded", **GPT),
    hub("gpt2_bin", "GPT2Config", "GPT2LMHeadModel", form="bin", **GPT),
    hub("openai-gpt", "OpenAIGPTConfig", "OpenAIGPTLMHeadModel", **GPT),
    hub("llama", "LlamaConfig", "LlamaForCausalLM", num_key_value_heads=2, **DECODER,
        rope_parameters={"rope_type": "default", "rope_theta": 5000.0}),
    hub("llama_linear", "LlamaConfig", "LlamaForCausalLM", dtype=torch.bfloat16, head_dim=6, attention_bias=True, mlp_bias=True,
        tie_word_embeddings=True, rope_parameters={"rope_type": "linear", "factor": 2.0, "rope_theta": 10000.0}, **DECODER),
    hub("mistral", "MistralConfig", "MistralForCausalLM", num_key_value_heads=2, sliding_window=9, **DECODER),
    hub("gemma", "GemmaConfig", "GemmaForCausalLM", zero_norms=True, num_key_value_heads=1, head_dim=8, **DECODER),
    hub("gemma2", "Gemma2Config", "Gemma2ForCausalLM", zero_norms=True, num_key_value_heads=2, head_dim=8, sliding_window=9,
        query_pre_attn_scalar=5, attn_logit_softcapping=2.0, final_logit_softcapping=3.0, **DECODER),
    hub("qwen3", "Qwen3Config", "Qwen3ForCausalLM", num_key_value_heads=2, head_dim=8, **DECODER),
    hub("nanochat_hub", "NanoChatConfig", "NanoChatForCausalLM", num_key_value_heads=2, hidden_act="relu2", pad_token_id=None,
        bos_token_id=None, eos_token_id=None, **DECODER),
    hub("mixtral", "MixtralConfig", "MixtralForCausalLM", num_key_value_heads=2, num_local_experts=4, num_experts_per_tok=2,
        sliding_window=None, **DECODER),
]


# nanoGPT --------------------------------------------------------------------------------------------------------------

class NanoGPT(nn.Module):
    """GPT-2 with exact GELU, its names those of nanoGPT's checkpoints."""

    def __init__(self, bias):
        super().__init__()
        norm = lambda: Norm(bias)
        linear = lambda a, b: nn.Linear(a, b, bias=bias)
        block = lambda: nn.ModuleDict({
            "ln_1": norm(), "attn": nn.ModuleDict({"c_attn": linear(C, 3 * C), "c_proj": linear(C, C)}), "ln_2": norm(),
            "mlp": nn.ModuleDict({"c_fc": linear(C, 4 * C), "c_proj": linear(4 * C, C)})})
        self.transformer = nn.ModuleDict({
            "wte": nn.Embedding(V, C), "wpe": nn.Embedding(CONTEXT, C), "h": nn.ModuleList(block() for _ in range(LAYERS)),
            "ln_f": norm()})
        self.lm_head = nn.Linear(C, V, bias=False)
        self.lm_head.weight = self.transformer.wte.weight

    def forward(self, tokens):
        t = self.transformer
        x = t["wte"](tokens) + t["wpe"].weight[: tokens.shape[1]]
        for block in t["h"]:
            q, k, v = block["attn"]["c_attn"](block["ln_1"](x)).split(C, dim=-1)
            x = x + block["attn"]["c_proj"](attend(q, k, v, (C // HEADS) ** -0.5))
            x = x + block["mlp"]["c_proj"](F.gelu(block["mlp"]["c_fc"](block["ln_2"](x))))
        return self.lm_head(t["ln_f"](x))


class Norm(nn.Module):
    def __init__(self, bias):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(C))
        self.bias = nn.Parameter(torch.zeros(C)) if bias else None

    def forward(self, x):
        return F.layer_norm(x, (C,), self.weight, self.bias, 1e-5)


def attend(q, k, v, scale):
    batch, length, _ = q.shape
    split = lambda x: x.view(batch, length, HEADS, -1).transpose(1, 2)
    scores = split(q) @ split(k).transpose(2, 3) * scale
    mask = torch.tril(torch.ones(length, length, dtype=torch.bool))
    mixed = scores.masked_fill(~mask, -math.inf).softmax(-1) @ split(v)
    return mixed.transpose(1, 2).reshape(batch, length, -1)


def nanogpt(name, bias, compiled):
    def make(folder, generator):
        model = NanoGPT(bias)
        randomize(model, generator)
        state = {("_orig_mod." if compiled else "") + k: v for k, v in model.state_dict().items()}
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        checkpoint = {
            "model": state, "optimizer": optimizer.state_dict(),
            "model_args": dict(n_layer=LAYERS, n_head=HEADS, n_embd=C, block_size=CONTEXT, bias=bias, vocab_size=V, dropout=0.1),
            "iter_num": 7, "best_val_loss": torch.tensor(2.5), "config": {"out_dir": "out", "learning_rate": 1e-3, "compile": compiled}}
        (folder / "source").mkdir()
        torch.save(checkpoint, folder / "source" / "ckpt.pt")
        characters = [chr(ord("0") + i) for i in range(V)]
        meta = {"vocab_size": V, "itos": dict(enumerate(characters)), "stoi": {c: i for i, c in enumerate(characters)}}
        if compiled:
            (folder / "source" / "meta.pkl").write_bytes(pickle.dumps(meta))
        return model
    return name, make


# The lecture ----------------------------------------------------------------------------------------------------------

class Lecture(nn.Module):
    """The lecture's GPT: each of two heads a module of its own, scores times 1/sqrt(width)."""

    def __init__(self):
        super().__init__()
        self.token_embedding_table, self.position_embedding_table = nn.Embedding(V, C), nn.Embedding(CONTEXT, C)
        def head():
            module = nn.Module()
            for part in ("key", "query", "value"):
                setattr(module, part, nn.Linear(C, C // 2, bias=False))
            module.register_buffer("tril", torch.tril(torch.ones(CONTEXT, CONTEXT)))
            return module
        def block():
            module = nn.Module()
            module.sa = nn.Module()
            module.sa.heads = nn.ModuleList(head() for _ in range(2))
            module.sa.proj = nn.Linear(C, C)
            module.ffwd = nn.Module()
            module.ffwd.net = nn.Sequential(nn.Linear(C, 4 * C), nn.ReLU(), nn.Linear(4 * C, C), nn.Dropout(0.0))
            module.ln1, module.ln2 = nn.LayerNorm(C), nn.LayerNorm(C)
            return module
        self.blocks = nn.Sequential(*[block() for _ in range(LAYERS)])
        self.ln_f, self.lm_head = nn.LayerNorm(C), nn.Linear(C, V)

    def forward(self, tokens):
        length = tokens.shape[1]
        x = self.token_embedding_table(tokens) + self.position_embedding_table.weight[:length]
        mask = torch.tril(torch.ones(length, length, dtype=torch.bool))
        for block in self.blocks:
            y, mixed = block.ln1(x), []
            for head in block.sa.heads:
                scores = head.query(y) @ head.key(y).transpose(1, 2) * C**-0.5
                mixed.append(scores.masked_fill(~mask, -math.inf).softmax(-1) @ head.value(y))
            x = x + block.sa.proj(torch.cat(mixed, dim=-1))
            x = x + block.ffwd.net(block.ln2(x))
        return self.lm_head(self.ln_f(x))


def lecture(folder, generator):
    model = Lecture()
    randomize(model, generator)
    (folder / "source").mkdir()
    torch.save(model.state_dict(), folder / "source" / "model.pth")
    return model


# nanochat -------------------------------------------------------------------------------------------------------------

def nanochat(folder, generator):
    config = generate.nanochat(CONTEXT, 3, 24, HEADS, 2, V, 128, 12, 24)
    eps = torch.finfo(torch.float32).eps
    config["norm"]["eps"] = config["attention"]["qk_norm_eps"] = eps
    config["attention"]["short_window"] = None
    model = generate.Model(config)
    generate.randomize(model, generator)
    ours = model.state_dict()
    names = {
        "embedding.weight": "transformer.wte.weight", "head.weight": "lm_head.weight", "residual.scale": "resid_lambdas",
        "residual.x0_scale": "x0_lambdas", "residual.smear_gate.weight": "smear_gate.weight",
        "residual.smear_scale": "smear_lambda", "residual.backout": "backout_lambda"}
    for layer in range(3):
        to = f"transformer.h.{layer}."
        names |= {f"layers.{layer}.attention.{a}.weight": f"{to}attn.{b}.weight"
                  for a, b in (("q", "c_q"), ("k", "c_k"), ("v", "c_v"), ("output", "c_proj"), ("value_gate", "ve_gate"))}
        names |= {f"layers.{layer}.mlp.up.weight": f"{to}mlp.c_fc.weight", f"layers.{layer}.mlp.down.weight": f"{to}mlp.c_proj.weight",
                  f"layers.{layer}.attention.value_embedding.weight": f"value_embeds.{layer}.weight"}
    source = folder / "source"
    source.mkdir()
    # The tables are kept in bfloat16, as nanochat does.
    state = {}
    for name, value in ours.items():
        table = name == "embedding.weight" or "value_embedding" in name
        state[names[name]] = value.bfloat16() if table else value.float()
        ours[name] = state[names[name]].float()
    torch.save(state, source / "model_000100.pt")
    torch.save({"state": {}, "param_groups": []}, source / "optim_000100_rank0.pt")
    meta = {"step": 100, "val_bpb": 1.0, "model_config": dict(
        sequence_len=CONTEXT, vocab_size=V, n_layer=3, n_head=HEADS, n_kv_head=2, n_embd=24, window_pattern="SSSL"),
        "user_config": {"depth": 3}, "device_batch_size": 1, "max_seq_len": CONTEXT}
    (source / "meta_000100.json").write_text(json.dumps(meta, indent=2))
    model.load_state_dict(ours)
    model = model.float()
    return model


# llm.c ----------------------------------------------------------------------------------------------------------------

def llmc(version):
    def make(folder, generator):
        from transformers import GPT2Config, GPT2LMHeadModel
        config = GPT2Config(**GPT)
        config._attn_implementation = "eager"
        model = GPT2LMHeadModel(config).eval()
        randomize(model, generator)
        dtype = torch.float32 if version == 3 else torch.bfloat16
        model = model.to(dtype)
        state, padded = model.transformer.state_dict(), 128
        def layered(name, transpose=False):
            return [state[f"h.{i}.{name}"].T if transpose else state[f"h.{i}.{name}"] for i in range(LAYERS)]
        parts = [torch.cat([state["wte.weight"], torch.zeros(padded - V, C, dtype=dtype)]), state["wpe.weight"]]
        for name in ("ln_1", "attn.c_attn", "attn.c_proj", "ln_2", "mlp.c_fc", "mlp.c_proj"):
            parts += layered(f"{name}.weight", not name.startswith("ln")) + layered(f"{name}.bias")
        parts += [state["ln_f.weight"], state["ln_f.bias"]]
        header = [20240326, version, CONTEXT, V, LAYERS, HEADS, C, padded] + [0] * 248
        data = struct.pack("<256i", *header)
        for part in parts:
            flat = part.contiguous().flatten()
            data += (flat if version == 3 else flat.view(torch.int16)).numpy().tobytes()
        (folder / "source").mkdir()
        (folder / "source" / "gpt2.bin").write_bytes(data)
        model = model.float()
        return lambda tokens: model(tokens).logits
    return f"llmc_v{version}", make


ALL = HUB + [
    nanogpt("nanogpt", True, compiled=True), nanogpt("nanogpt_plain", False, compiled=False), ("lecture", lecture),
    ("nanochat", nanochat), llmc(3), llmc(5),
]


def main(wanted):
    os.environ["TQDM_DISABLE"] = "1"
    torch.set_num_threads(1)
    total = 0
    for name, make in ALL:
        if wanted and name not in wanted:
            continue
        folder = FOLDER / name
        # Another seed where two tokens come too near to each other, or the continuation is but a loop.
        for attempt in range(50):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            torch.manual_seed(attempt)
            generator = torch.Generator().manual_seed(zlib.crc32(f"{name} {attempt}".encode()))
            ok, lead, kinds = expect(folder, make(folder, generator), generator)
            if ok:
                break
        size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
        total += size
        print(f"{name:16} {size:8,} bytes, attempt {attempt}, lead {lead:.1e}, {kinds} kinds of tokens")
    print(f"{'together':16} {total:8,} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
