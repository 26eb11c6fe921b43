"""Writes the numerical fixtures in this folder, from an independent PyTorch reference.

The reference is built to be read, not to be fast: one flexible decoder, naive attention with an explicit mask,
everything computed in float64 and stored as float32. It shares nothing with the Swift code but the configuration
and the parameter names, so an agreement of the two means something.

Run it in a throwaway environment, from anywhere; it rewrites every fixture, the same bytes each time:

    python3 -m venv /tmp/loom-fixtures
    /tmp/loom-fixtures/bin/pip install torch
    /tmp/loom-fixtures/bin/python Tests/Fixtures/generate.py

What it writes:

<name>.safetensors      one model each: weight/<parameter>, grad/<parameter> (of the mean loss), tokens and targets
                        [B, T] (I32, target -1 is not counted), logits [B, T, V], loss [1]; the metadata entry
                        "config" holds {"model": {...}} as JSON. Options left out there have their defaults.
optimizers.safetensors  <case>/initial, <case>/grad/<step>, <case>/result/<step>, steps counted from 0; the metadata
                        entry "cases" holds {"<case>": {"algorithm": ..., hyperparameters}} as JSON.
philox.json             known answers of Philox4x32-10: 32-bit words in hexadecimal, first word first.

One thing to know when comparing: a key bias moves all scores of a query alike unless the scores are rotated, capped
or normalized, so there the gradient of `attention.k.bias` is zero but for rounding. Compare gradients with a tolerance
that has an absolute part.
"""

import json
import math
import struct
import zlib
from pathlib import Path

import torch
from torch import nn

FOLDER = Path(__file__).resolve().parent


# Configuration -------------------------------------------------------------------------------------------------------

REQUIRED = object()

ATTENTION = {
    "heads": REQUIRED, "head_dim": None, "window": None, "short_window": None, "full_last": True, "bias": True,
    "output_bias": None, "qk_norm": False, "qk_norm_weight": False, "qk_norm_eps": 1e-6, "qk_scale": 1.0,
    "scale": None, "softcap": 0.0, "dropout": 0.0, "output_dropout": 0.0, "value_embedding": "none",
    "value_gate_channels": 12, "value_gate_scale": 3.0,
}
MLP = {"expansion": 4.0, "hidden": None, "bias": True, "dropout": 0.0}
HEAD = {"bias": False, "softcap": 0.0}

OPTIONS = {
    "embedding": {
        "token": {"scale": 1.0, "scale_sqrt_width": False, "norm": False, "dropout": 0.0, "pad_to": 1},
    },
    "position": {
        "learned": {},
        "sinusoidal": {},
        "rope": {"base": 10000.0, "fraction": 1.0, "interleaved": False, "scaling": 1.0, "reverse": False},
        "alibi": {},
        "none": {},
    },
    "norm": {
        "layernorm": {"eps": 1e-5, "bias": True, "placement": REQUIRED, "final": None},
        "rmsnorm": {"eps": 1e-6, "weight": True, "unit_offset": False, "placement": REQUIRED, "final": None},
    },
    "attention": {"mha": ATTENTION, "gqa": {**ATTENTION, "kv_heads": REQUIRED}, "mqa": ATTENTION},
    "mlp": {
        "relu": MLP, "relu2": MLP, "silu": MLP, "swiglu": MLP,
        "gelu": {**MLP, "approximate": REQUIRED}, "geglu": {**MLP, "approximate": REQUIRED},
    },
    "residual": {
        "plain": {},
        "mixed": {"x0_mix": True, "smear": True, "smear_channels": 24, "backout": True},
    },
    "head": {"tied": HEAD, "untied": HEAD},
}


class Options:
    """The options of one section with its defaults filled in; an unknown or missing one is an error."""

    def __init__(self, section, given):
        known = OPTIONS[section][given["type"]]
        for name in given:
            assert name == "type" or name in known, f"{section}: unknown option {name}"
        self.type = given["type"]
        for name, default in known.items():
            value = given.get(name, default)
            assert value is not REQUIRED, f"{section}: {name} is missing"
            setattr(self, name, value)


class Config:
    def __init__(self, model):
        self.context, self.layers = model["context"], model["layers"]
        self.width, self.vocab_size = model["width"], model["vocab_size"]
        for section in OPTIONS:
            setattr(self, section, Options(section, model[section]))
        assert set(model) == {"context", "layers", "width", "vocab_size"} | set(OPTIONS), "unknown or missing section"

        multiple = self.embedding.pad_to
        self.padded_vocab_size = (self.vocab_size + multiple - 1) // multiple * multiple

        attention = self.attention
        if attention.head_dim is None:
            attention.head_dim = self.width // attention.heads
        if attention.type == "mha":
            attention.kv_heads = attention.heads
        if attention.type == "mqa":
            attention.kv_heads = 1
        if attention.output_bias is None:
            attention.output_bias = attention.bias
        if attention.scale is None:
            attention.scale = 1 / math.sqrt(attention.head_dim)
        if attention.short_window is None:
            attention.short_window = (self.context // 4 + 127) // 128 * 128

        if self.mlp.hidden is None:
            self.mlp.hidden = round(self.mlp.expansion * self.width)
        if self.norm.final is None:
            self.norm.final = self.norm.placement != "post"

    def window(self, layer):
        """How many tokens back a position of this layer sees besides itself, or None for all of them."""
        window = self.attention.window
        if isinstance(window, str):
            letter = window[layer % len(window)]
            if self.attention.full_last and layer == self.layers - 1:
                letter = "L"
            return self.attention.short_window if letter == "S" else None
        return window

    def has_value_embedding(self, layer):
        kind = self.attention.value_embedding
        return kind == "all" or (kind == "alternate" and layer % 2 == (self.layers - 1) % 2)


# Components ----------------------------------------------------------------------------------------------------------

class LayerNorm(nn.Module):
    def __init__(self, width, norm):
        super().__init__()
        self.eps = norm.eps
        self.weight = nn.Parameter(torch.empty(width))
        self.bias = nn.Parameter(torch.empty(width)) if norm.bias else None

    def forward(self, x):
        mean = x.mean(-1, keepdim=True)
        variance = ((x - mean) ** 2).mean(-1, keepdim=True)
        y = (x - mean) / torch.sqrt(variance + self.eps) * self.weight
        return y if self.bias is None else y + self.bias


class RMSNorm(nn.Module):
    def __init__(self, width, eps, weight, unit_offset=False):
        super().__init__()
        self.eps, self.offset = eps, 1.0 if unit_offset else 0.0
        self.weight = nn.Parameter(torch.empty(width)) if weight else None

    def forward(self, x):
        y = x / torch.sqrt((x * x).mean(-1, keepdim=True) + self.eps)
        return y if self.weight is None else y * (self.offset + self.weight)


def make_norm(config):
    norm = config.norm
    if norm.type == "layernorm":
        return LayerNorm(config.width, norm)
    return RMSNorm(config.width, norm.eps, norm.weight, norm.unit_offset)


def sinusoids(length, width, dtype):
    """Vaswani et al. 2017: dimension 2i is sin(t / 10000^(2i/width)), dimension 2i + 1 its cosine."""
    table = torch.zeros(length, width, dtype=torch.float64)
    for t in range(length):
        for d in range(width):
            angle = t / 10000 ** (2 * (d // 2) / width)
            table[t, d] = math.sin(angle) if d % 2 == 0 else math.cos(angle)
    return table.to(dtype)


def rotate(x, position):
    """RoPE of x [B, T, heads, head_dim]: each pair of dimensions turned by its angle, pair by pair."""
    length, head_dim = x.shape[1], x.shape[3]
    rotary = int(head_dim * position.fraction) // 2 * 2
    pairs = rotary // 2
    columns = [x[..., d] for d in range(head_dim)]
    for pair in range(pairs):
        first, second = (2 * pair, 2 * pair + 1) if position.interleaved else (pair, pair + pairs)
        angle = [t / position.scaling * position.base ** (-2 * pair / rotary) for t in range(length)]
        angle = torch.tensor(angle, dtype=torch.float64)[None, :, None]
        if position.reverse:
            angle = -angle
        cosine, sine = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
        a, b = x[..., first], x[..., second]
        columns[first], columns[second] = a * cosine - b * sine, a * sine + b * cosine
    return torch.stack(columns, dim=-1)


def alibi_slopes(heads):
    """Press et al. 2021: powers of 2^(-8/H); where H is no power of two, those of the power of two below it, then
    every other slope of the power of two above it."""
    def powers(count):
        return [2 ** (-8 * (h + 1) / count) for h in range(count)]
    below = 2 ** int(math.log2(heads))
    return powers(below) + powers(2 * below)[0::2][: heads - below]


class Attention(nn.Module):
    def __init__(self, config, layer):
        super().__init__()
        o = self.options = config.attention
        self.position, self.window = config.position, config.window(layer)
        queries, keys = o.heads * o.head_dim, o.kv_heads * o.head_dim
        self.q = nn.Linear(config.width, queries, bias=o.bias)
        self.k = nn.Linear(config.width, keys, bias=o.bias)
        self.v = nn.Linear(config.width, keys, bias=o.bias)
        self.output = nn.Linear(queries, config.width, bias=o.output_bias)
        if o.qk_norm:
            self.q_norm = RMSNorm(o.head_dim, o.qk_norm_eps, o.qk_norm_weight)
            self.k_norm = RMSNorm(o.head_dim, o.qk_norm_eps, o.qk_norm_weight)
        self.value_embedding = None
        if config.has_value_embedding(layer):
            self.value_embedding = nn.Embedding(config.padded_vocab_size, keys)
            self.value_gate = nn.Linear(o.value_gate_channels, o.kv_heads, bias=False)

    def forward(self, x, tokens):
        o = self.options
        batch, length, _ = x.shape
        q = self.q(x).view(batch, length, o.heads, o.head_dim)
        k = self.k(x).view(batch, length, o.kv_heads, o.head_dim)
        v = self.v(x).view(batch, length, o.kv_heads, o.head_dim)

        if self.value_embedding is not None:
            gate = o.value_gate_scale * torch.sigmoid(self.value_gate(x[..., : o.value_gate_channels]))
            v = v + gate[..., None] * self.value_embedding(tokens).view(v.shape)

        if o.qk_norm:
            q, k = self.q_norm(q), self.k_norm(k)
        if self.position.type == "rope":
            q, k = rotate(q, self.position), rotate(k, self.position)
        q, k = q * o.qk_scale, k * o.qk_scale

        i = torch.arange(length)[:, None]
        j = torch.arange(length)[None, :]
        seen = j <= i
        if self.window is not None:
            seen = seen & (j >= i - self.window)

        heads = []
        for h in range(o.heads):
            group = h // (o.heads // o.kv_heads)  # neighbouring query heads share a key/value head
            scores = q[:, :, h] @ k[:, :, group].transpose(1, 2) * o.scale
            if o.softcap > 0:
                scores = o.softcap * torch.tanh(scores / o.softcap)
            if self.position.type == "alibi":
                scores = scores - alibi_slopes(o.heads)[h] * (i - j)
            weights = torch.softmax(scores.masked_fill(~seen, -math.inf), dim=-1)
            heads.append(weights @ v[:, :, group])
        return self.output(torch.cat(heads, dim=-1))


def gelu(x, approximate):
    if approximate == "tanh":
        return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    assert approximate == "none"
    return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))


class FeedForward(nn.Module):
    def __init__(self, config):
        super().__init__()
        o = self.options = config.mlp
        self.up = nn.Linear(config.width, o.hidden, bias=o.bias)
        self.down = nn.Linear(o.hidden, config.width, bias=o.bias)
        if o.type in ("swiglu", "geglu"):
            self.gate = nn.Linear(config.width, o.hidden, bias=o.bias)

    def forward(self, x):
        kind, h = self.options.type, self.up(x)
        if kind == "relu":
            h = torch.relu(h)
        elif kind == "relu2":
            h = torch.relu(h) ** 2
        elif kind == "silu":
            h = h * torch.sigmoid(h)
        elif kind == "gelu":
            h = gelu(h, self.options.approximate)
        elif kind == "swiglu":
            gate = self.gate(x)
            h = gate * torch.sigmoid(gate) * h
        elif kind == "geglu":
            h = gelu(self.gate(x), self.options.approximate) * h
        return self.down(h)


class Layer(nn.Module):
    def __init__(self, config, layer):
        super().__init__()
        self.placement = config.norm.placement
        self.attention_norm = make_norm(config)
        self.attention = Attention(config, layer)
        self.mlp_norm = make_norm(config)
        self.mlp = FeedForward(config)
        if self.placement == "both":
            self.attention_norm_post = make_norm(config)
            self.mlp_norm_post = make_norm(config)

    def forward(self, x, tokens):
        if self.placement == "pre":
            x = x + self.attention(self.attention_norm(x), tokens)
            return x + self.mlp(self.mlp_norm(x))
        if self.placement == "post":
            x = self.attention_norm(x + self.attention(x, tokens))
            return self.mlp_norm(x + self.mlp(x))
        assert self.placement == "both"
        x = x + self.attention_norm_post(self.attention(self.attention_norm(x), tokens))
        return x + self.mlp_norm_post(self.mlp(self.mlp_norm(x)))


class MixedResidual(nn.Module):
    """The learned scalars around nanochat's residual stream."""

    def __init__(self, config):
        super().__init__()
        o = self.options = config.residual
        if o.x0_mix:
            self.scale = nn.Parameter(torch.empty(config.layers))
            self.x0_scale = nn.Parameter(torch.empty(config.layers))
        if o.smear:
            self.smear_gate = nn.Linear(o.smear_channels, 1, bias=False)
            self.smear_scale = nn.Parameter(torch.empty(1))
        if o.backout:
            self.backout = nn.Parameter(torch.empty(1))

    def smear(self, x):
        """Mixes into every position but the first some of the position before it, as it was before the smear."""
        amount = self.smear_scale * torch.sigmoid(self.smear_gate(x[:, 1:, : self.options.smear_channels]))
        return torch.cat([x[:, :1], x[:, 1:] + amount * x[:, :-1]], dim=1)


class Model(nn.Module):
    """The decoder of a configuration; the names of its parameters are the library's."""

    def __init__(self, model):
        super().__init__()
        c = self.config = Config(model)
        self.embedding = nn.Embedding(c.padded_vocab_size, c.width)
        if c.position.type == "learned":
            self.position = nn.Embedding(c.context, c.width)
        if c.embedding.norm:
            self.embedding_norm = make_norm(c)
        if c.residual.type == "mixed":
            self.residual = MixedResidual(c)
        self.layers = nn.ModuleList(Layer(c, layer) for layer in range(c.layers))
        if c.norm.final:
            self.final_norm = make_norm(c)
        if c.head.type == "untied":
            self.head = nn.Linear(c.width, c.padded_vocab_size, bias=c.head.bias)
        else:
            assert not c.head.bias, "a tied head has no bias here"

    def forward(self, tokens):
        c, length = self.config, tokens.shape[1]
        mixed = c.residual if c.residual.type == "mixed" else None

        x = self.embedding(tokens) * c.embedding.scale
        if c.embedding.scale_sqrt_width:
            x = x * math.sqrt(c.width)
        if c.embedding.norm:
            x = self.embedding_norm(x)
        if mixed and mixed.smear:
            x = self.residual.smear(x)
        if c.position.type == "learned":
            x = x + self.position.weight[:length]
        if c.position.type == "sinusoidal":
            x = x + sinusoids(length, c.width, x.dtype)

        x0 = x
        for index, layer in enumerate(self.layers):
            if mixed and mixed.x0_mix:
                x = self.residual.scale[index] * x + self.residual.x0_scale[index] * x0
            x = layer(x, tokens)
            if index == c.layers // 2:
                middle = x
        if mixed and mixed.backout:
            x = x - self.residual.backout * middle

        if c.norm.final:
            x = self.final_norm(x)
        logits = self.head(x) if c.head.type == "untied" else x @ self.embedding.weight.T
        logits = logits[..., : c.vocab_size]
        if c.head.softcap > 0:
            logits = c.head.softcap * torch.tanh(logits / c.head.softcap)
        return logits


def cross_entropy(logits, targets):
    """The mean over the targets that are not -1."""
    counted = targets >= 0
    log_probabilities = torch.log_softmax(logits, dim=-1)
    chosen = log_probabilities.gather(-1, targets.clamp(min=0)[..., None])[..., 0]
    return -chosen[counted].sum() / counted.sum()


def randomize(model, generator):
    """Starts nothing at zero or one, so that every parameter matters to the logits and to every other's gradient.
    The values are float32's, whatever the computation's type."""
    unit_offset = model.config.norm.type == "rmsnorm" and model.config.norm.unit_offset
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        kind = name.split(".")[-2]
        if name.startswith("residual.") and not name.startswith("residual.smear_gate"):
            value = 0.6 + 0.15 * noise
        elif name.endswith(".bias"):
            value = 0.3 * noise
        elif "norm" in kind:
            value = 0.3 * noise + (0.0 if unit_offset and kind not in ("q_norm", "k_norm") else 1.0)
        elif kind in ("embedding", "position", "value_embedding"):
            value = 0.8 * noise
        else:
            value = 1.3 * noise / math.sqrt(parameter.shape[1])
        parameter.data = value.float().to(parameter.dtype)


# Model fixtures ------------------------------------------------------------------------------------------------------

def model(context=20, layers=2, width=16, vocab_size=29, embedding=None, position=None, norm=None, attention=None,
          mlp=None, residual=None, head=None):
    """A small pre-norm decoder, but for the sections given."""
    return {
        "context": context, "layers": layers, "width": width, "vocab_size": vocab_size,
        "embedding": embedding or {"type": "token"},
        "position": position or {"type": "learned"},
        "norm": norm or {"type": "layernorm", "placement": "pre"},
        "attention": attention or {"type": "mha", "heads": 4},
        "mlp": mlp or {"type": "relu2", "expansion": 2.0},
        "residual": residual or {"type": "plain"},
        "head": head or {"type": "untied"},
    }


def gpt1(context, layers, width, heads, vocab_size):
    return model(
        context, layers, width, vocab_size,
        norm={"type": "layernorm", "placement": "post"},
        attention={"type": "mha", "heads": heads},
        mlp={"type": "gelu", "approximate": "tanh"},
        head={"type": "tied"},
    )


def gpt2(context, layers, width, heads, vocab_size):
    return model(
        context, layers, width, vocab_size,
        attention={"type": "mha", "heads": heads},
        mlp={"type": "gelu", "approximate": "tanh"},
        head={"type": "tied"},
    )


def nanogpt_baby(context, layers, width, heads, vocab_size):
    return model(
        context, layers, width, vocab_size,
        norm={"type": "layernorm", "bias": False, "placement": "pre"},
        attention={"type": "mha", "heads": heads, "bias": False},
        mlp={"type": "gelu", "approximate": "none", "bias": False},
        head={"type": "tied"},
    )


def lecture(context, layers, width, heads, vocab_size):
    return model(
        context, layers, width, vocab_size,
        attention={"type": "mha", "heads": heads, "bias": False, "output_bias": True, "scale": width**-0.5},
        mlp={"type": "relu"},
        head={"type": "untied", "bias": True},
    )


def nanochat(context, layers, width, heads, kv_heads, vocab_size, short_window, value_gate_channels, smear_channels):
    """Every option spelled out, its default or not."""
    return model(
        context, layers, width, vocab_size,
        embedding={"type": "token", "scale": 1.0, "scale_sqrt_width": False, "norm": True, "dropout": 0.0,
                   "pad_to": 64},
        position={"type": "rope", "base": 100000.0, "fraction": 1.0, "interleaved": False, "scaling": 1.0,
                  "reverse": True},
        norm={"type": "rmsnorm", "eps": 1e-6, "weight": False, "unit_offset": False, "placement": "pre",
              "final": True},
        attention={"type": "gqa", "heads": heads, "kv_heads": kv_heads, "head_dim": None, "window": "SSSL",
                   "short_window": short_window, "full_last": True, "bias": False, "output_bias": None,
                   "qk_norm": True, "qk_norm_weight": False, "qk_norm_eps": 1e-6, "qk_scale": 1.2, "scale": None,
                   "softcap": 0.0, "dropout": 0.0, "output_dropout": 0.0, "value_embedding": "alternate",
                   "value_gate_channels": value_gate_channels, "value_gate_scale": 3.0},
        mlp={"type": "relu2", "expansion": 4.0, "hidden": None, "bias": False, "dropout": 0.0},
        residual={"type": "mixed", "x0_mix": True, "smear": True, "smear_channels": smear_channels, "backout": True},
        head={"type": "untied", "bias": False, "softcap": 15.0},
    )


RMS_PRE = {"type": "rmsnorm", "placement": "pre"}

MODELS = {
    # Whole architectures.
    "gpt1": gpt1(context=20, layers=3, width=16, heads=4, vocab_size=29),
    "gpt2": gpt2(context=20, layers=3, width=16, heads=4, vocab_size=29),
    "lecture": lecture(context=20, layers=3, width=16, heads=4, vocab_size=29),
    "nanochat": nanochat(context=24, layers=4, width=24, heads=4, kv_heads=2, vocab_size=29, short_window=4,
                         value_gate_channels=5, smear_channels=7),
    "llama": model(
        layers=3, width=24, norm=RMS_PRE, position={"type": "rope"},
        attention={"type": "gqa", "heads": 4, "kv_heads": 2, "bias": False},
        mlp={"type": "swiglu", "hidden": 40, "bias": False},
    ),
    "gemma2": model(
        layers=3, width=24, embedding={"type": "token", "scale_sqrt_width": True}, position={"type": "rope"},
        norm={"type": "rmsnorm", "unit_offset": True, "placement": "both"},
        attention={"type": "gqa", "heads": 4, "kv_heads": 2, "head_dim": 10, "window": "SL", "short_window": 3,
                   "full_last": False, "bias": False, "scale": 0.25, "softcap": 2.0},
        mlp={"type": "geglu", "approximate": "tanh", "hidden": 40, "bias": False},
        head={"type": "tied", "softcap": 3.0},
    ),
    "qwen3": model(
        layers=2, width=24, norm=RMS_PRE, position={"type": "rope", "base": 1000000.0},
        attention={"type": "gqa", "heads": 4, "kv_heads": 2, "head_dim": 8, "bias": False, "qk_norm": True,
                   "qk_norm_weight": True},
        mlp={"type": "swiglu", "hidden": 32, "bias": False}, head={"type": "tied"},
    ),
    # One special thing each.
    "alibi": model(width=24, position={"type": "alibi"}, attention={"type": "mha", "heads": 6}),
    "sinusoidal": model(position={"type": "sinusoidal"}),
    "rope_interleaved": model(
        position={"type": "rope", "fraction": 0.5, "interleaved": True, "scaling": 2.0},
        attention={"type": "mha", "heads": 2},
    ),
    "mqa": model(attention={"type": "mqa", "heads": 4}),
    "window": model(attention={"type": "mha", "heads": 4, "window": 3}),
    "silu": model(mlp={"type": "silu", "expansion": 2.0}),
    "gelu_exact": model(mlp={"type": "gelu", "expansion": 2.0, "approximate": "none"}),
    "geglu_exact": model(mlp={"type": "geglu", "expansion": 2.0, "approximate": "none"}),
    "layernorm_no_bias": model(norm={"type": "layernorm", "bias": False, "placement": "pre"}),
    # "full_last" at its default: the pattern alone would make the last layer short.
    "softcap_window": model(
        attention={"type": "gqa", "heads": 4, "kv_heads": 2, "window": "S", "short_window": 2, "softcap": 1.5},
    ),
    "no_position": model(position={"type": "none"}),
    "ignored_targets": model(),
}

BATCH, LENGTH = 2, 15


def evaluate(config, state, tokens, targets, dtype):
    network = Model(config).to(dtype)
    network.load_state_dict({name: value.to(dtype) for name, value in state.items()})
    logits = network(tokens)
    loss = cross_entropy(logits, targets)
    loss.backward()
    return logits.detach(), loss.detach(), {name: p.grad for name, p in network.named_parameters()}


def relative_error(approximate, exact):
    return float((approximate.double() - exact).abs().max() / exact.abs().max())


def write_model(name, config):
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    network = Model(config).double()
    randomize(network, generator)
    state = network.state_dict()
    sequence = torch.randint(config["vocab_size"], (BATCH, LENGTH + 1), generator=generator)
    tokens, targets = sequence[:, :-1], sequence[:, 1:].clone()
    if name == "ignored_targets":
        targets[0, :4] = -1
        targets[0, 9] = -1
        targets[1, -2:] = -1

    logits, loss, gradients = evaluate(config, state, tokens, targets, torch.float64)
    rough_logits, _, rough_gradients = evaluate(config, state, tokens, targets, torch.float32)

    worst = 0.0
    invariant = not (network.config.attention.qk_norm or network.config.attention.softcap
                     or network.config.position.type == "rope")
    for parameter, gradient in gradients.items():
        assert torch.isfinite(gradient).all()
        if parameter.endswith("attention.k.bias") and invariant:
            assert gradient.abs().max() < 1e-12  # see the note at the top
            continue
        assert gradient.abs().max() > 1e-5, f"{name}: {parameter} has next to no gradient"
        worst = max(worst, relative_error(rough_gradients[parameter], gradient))

    tensors = {"tokens": tokens, "targets": targets, "logits": logits, "loss": loss.reshape(1)}
    tensors |= {f"weight/{parameter}": value for parameter, value in state.items()}
    tensors |= {f"grad/{parameter}": value for parameter, value in gradients.items()}
    size = write_safetensors(FOLDER / f"{name}.safetensors", tensors, {"config": json.dumps({"model": config})})
    print(f"{name:20} {size:8,} bytes   loss {float(loss):.4f}   float32 instead: logits off by "
          f"{relative_error(rough_logits, logits):.0e}, gradients by {worst:.0e} of the largest in their tensor")
    return size


def check_published_counts():
    counts = {
        "GPT-1": (gpt1(512, 12, 768, 12, 40478), 116_534_784),
        "GPT-2": (gpt2(1024, 12, 768, 12, 50257), 124_439_808),
        "lecture GPT": (lecture(32, 4, 64, 4, 65), 209_729),
        "nanoGPT baby": (nanogpt_baby(256, 6, 384, 6, 65), 10_745_088),
        "nanochat d12": (nanochat(2048, 12, 768, 6, 6, 32768, None, 12, 24), 286_261_730),
    }
    for name, (config, published) in counts.items():
        with torch.device("meta"):
            count = sum(parameter.numel() for parameter in Model(config).parameters())
        assert count == published, f"{name}: {count:,} parameters, published {published:,}"
        print(f"{name:20} {count:12,} parameters, as published")


# Optimizers ----------------------------------------------------------------------------------------------------------

class TorchOptimizer:
    """An optimizer of PyTorch's, for one parameter."""

    def __init__(self, initial, kind, **hyperparameters):
        self.parameter = nn.Parameter(initial.clone())
        self.optimizer = kind([self.parameter], foreach=False, **hyperparameters)

    def step(self, gradient):
        self.parameter.grad = gradient.clone()
        self.optimizer.step()
        return self.parameter.detach().clone()


class ClassicMuon:
    """Muon as first published. In order, each step:

    1. buffer = lerp(buffer, g, 1 - momentum); g = lerp(g, buffer, momentum)     (buffer starts at zero)
    2. transpose g if it has more rows than columns
    3. g = g / (its Frobenius norm + 1e-7)
    4. five times: A = g gᵀ; g = a g + (b A + c A²) g
    5. transpose back
    6. p = p (1 - lr weight_decay)
    7. p = p - lr sqrt(max(1, rows / columns)) g
    """

    def __init__(self, initial, lr, momentum, weight_decay):
        self.parameter, self.buffer = initial.clone(), torch.zeros_like(initial)
        self.lr, self.momentum, self.weight_decay = lr, momentum, weight_decay

    def step(self, gradient):
        rows, columns = gradient.shape
        self.buffer = self.momentum * self.buffer + (1 - self.momentum) * gradient
        g = (1 - self.momentum) * gradient + self.momentum * self.buffer
        if rows > columns:
            g = g.T
        g = g / (torch.sqrt((g * g).sum()) + 1e-7)
        a, b, c = 3.4445, -4.7750, 2.0315
        for _ in range(5):
            A = g @ g.T
            g = a * g + (b * A + c * A @ A) @ g
        if rows > columns:
            g = g.T
        self.parameter = self.parameter * (1 - self.lr * self.weight_decay)
        self.parameter = self.parameter - self.lr * math.sqrt(max(1, rows / columns)) * g
        return self.parameter


POLAR_EXPRESS = [
    (8.156554524902461, -22.48329292557795, 15.878769915207462),
    (4.042929935166739, -2.808917465908714, 0.5000178451051316),
    (3.8916678022926607, -2.772484153217685, 0.5060648178503393),
    (3.285753657755655, -2.3681294933425376, 0.46449024233003106),
    (2.3465413258596377, -1.7097828382687081, 0.42323551169305323),
]


class NanochatMuon:
    """Muon as nanochat has it. In order, each step:

    1. Nesterov: buffer = lerp(buffer, g, 1 - momentum); g = lerp(g, buffer, momentum)     (buffer starts at zero)
    2. every row of g times (mean row norm / max(its own norm, 1e-10)): afterwards all rows have the mean's norm
    3. g = g / (1.01 Frobenius norm + 1e-7)
    4. five Polar Express steps; with more rows than columns A = gᵀ g and g = a g + g B, else A = g gᵀ and
       g = a g + B g, where B = b A + c A²
    5. g = g sqrt(min(rows, columns)) / max(its Frobenius norm, 1e-10)
    6. NorMuon: m = mean of g² over the columns, a value a row, if rows >= columns, else over the rows, a value a
       column; v = lerp(v, m, 1 - beta2) (v starts at zero, no bias correction); s = 1 / sqrt(max(v, 1e-10));
       g = g s (Frobenius norm of g / Frobenius norm of g s)
    7. step size e = lr sqrt(max(1, rows / columns));
       p = p - e g - e weight_decay p where g p >= 0, and p = p - e g elsewhere
    """

    def __init__(self, initial, lr, momentum, beta2, weight_decay):
        self.parameter, self.buffer, self.v = initial.clone(), torch.zeros_like(initial), 0.0
        self.lr, self.momentum, self.beta2, self.weight_decay = lr, momentum, beta2, weight_decay

    def step(self, gradient):
        rows, columns = gradient.shape
        norm = lambda x: torch.sqrt((x * x).sum())

        self.buffer = self.momentum * self.buffer + (1 - self.momentum) * gradient
        g = (1 - self.momentum) * gradient + self.momentum * self.buffer

        row_norms = torch.sqrt((g * g).sum(1, keepdim=True))
        g = g * (row_norms.mean() / row_norms.clamp(min=1e-10))

        g = g / (1.01 * norm(g) + 1e-7)
        for a, b, c in POLAR_EXPRESS:
            A = g.T @ g if rows > columns else g @ g.T
            B = b * A + c * A @ A
            g = a * g + (g @ B if rows > columns else B @ g)
        g = g * (math.sqrt(min(rows, columns)) / norm(g).clamp(min=1e-10))

        m = (g * g).mean(dim=1 if rows >= columns else 0, keepdim=True)
        self.v = self.beta2 * self.v + (1 - self.beta2) * m
        scaled = g / torch.sqrt(self.v.clamp(min=1e-10))
        g = scaled * (norm(g) / norm(scaled).clamp(min=1e-10))

        rate = self.lr * math.sqrt(max(1, rows / columns))
        agrees = (g * self.parameter >= 0).to(g.dtype)
        self.parameter = self.parameter - rate * g - rate * self.weight_decay * self.parameter * agrees
        return self.parameter


STEPS = 5
MATRICES = {"tall": (12, 5), "wide": (5, 12), "square": (7, 7)}
SHAPES = {**MATRICES, "vector": (9,)}

OPTIMIZERS = {
    "adamw": ("adamw", {"lr": 0.01, "beta1": 0.9, "beta2": 0.95, "eps": 1e-8, "weight_decay": 0.1}, SHAPES),
    "adamw_scalars": ("adamw", {"lr": 0.2, "beta1": 0.8, "beta2": 0.95, "eps": 1e-10, "weight_decay": 0.0}, SHAPES),
    "sgd": ("sgd", {"lr": 0.1, "momentum": 0.0, "nesterov": False, "weight_decay": 0.0}, SHAPES),
    "sgd_momentum": ("sgd", {"lr": 0.1, "momentum": 0.9, "nesterov": False, "weight_decay": 0.05}, SHAPES),
    "sgd_nesterov": ("sgd", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.05}, SHAPES),
    "muon": ("muon", {"lr": 0.02, "momentum": 0.95, "weight_decay": 0.1}, {**MATRICES, "row": (1, 9)}),
    "nanochat_muon": ("nanochat_muon", {"lr": 0.02, "momentum": 0.85, "beta2": 0.9, "weight_decay": 0.28},
                      {**MATRICES, "row": (1, 9)}),
}


def make_optimizer(algorithm, initial, h):
    if algorithm == "adamw":
        return TorchOptimizer(initial, torch.optim.AdamW, lr=h["lr"], betas=(h["beta1"], h["beta2"]), eps=h["eps"],
                              weight_decay=h["weight_decay"])
    if algorithm == "sgd":
        return TorchOptimizer(initial, torch.optim.SGD, **h)
    return {"muon": ClassicMuon, "nanochat_muon": NanochatMuon}[algorithm](initial, **h)


def write_optimizers():
    tensors, cases = {}, {}
    for name, (algorithm, hyperparameters, shapes) in OPTIMIZERS.items():
        worst = 0.0
        for shape_name, shape in shapes.items():
            case = f"{name}_{shape_name}"
            generator = torch.Generator().manual_seed(zlib.crc32(case.encode()))
            noise = lambda: torch.randn(shape, generator=generator)
            initial, direction = 0.5 * noise(), noise()
            gradients = [direction + 0.7 * noise() for _ in range(STEPS)]  # with a common part, as in training
            exact = make_optimizer(algorithm, initial.double(), hyperparameters)
            rough = make_optimizer(algorithm, initial, hyperparameters)
            tensors[f"{case}/initial"] = initial
            for step, gradient in enumerate(gradients):
                result = exact.step(gradient.double())
                worst = max(worst, relative_error(rough.step(gradient), result))
                tensors[f"{case}/grad/{step}"] = gradient
                tensors[f"{case}/result/{step}"] = result
            cases[case] = {"algorithm": algorithm, "steps": STEPS, **hyperparameters}
        print(f"{name:20} float32 instead: results off by {worst:.0e} of the largest")
    size = write_safetensors(FOLDER / "optimizers.safetensors", tensors, {"cases": json.dumps(cases)})
    print(f"{'optimizers':20} {size:8,} bytes")
    return size


# Philox --------------------------------------------------------------------------------------------------------------

def philox(key, counter, rounds=10):
    """Philox4x32 (Salmon et al. 2011): key two 32-bit words, counter four; gives four."""
    mask = 0xFFFFFFFF
    k, c = list(key), list(counter)
    for _ in range(rounds):
        high0, low0 = divmod(0xD2511F53 * c[0], 1 << 32)
        high1, low1 = divmod(0xCD9E8D57 * c[2], 1 << 32)
        c = [high1 ^ c[1] ^ k[0], low1, high0 ^ c[3] ^ k[1], low0]
        k = [(k[0] + 0x9E3779B9) & mask, (k[1] + 0xBB67AE85) & mask]
    return c


# From the known-answer tests that come with Random123: zeros, ones, and the digits of pi.
PHILOX_PUBLISHED = [
    ([0x00000000] * 2, [0x00000000] * 4, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([0xFFFFFFFF] * 2, [0xFFFFFFFF] * 4, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    ([0xA4093822, 0x299F31D0], [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
     [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]),
]

# Each word alone, so that a mix-up of words shows, then a few ordinary ones.
PHILOX_FURTHER = [([1, 0], [0] * 4), ([0, 1], [0] * 4)]
PHILOX_FURTHER += [([0, 0], [int(word == i) for i in range(4)]) for word in range(4)]
PHILOX_FURTHER += [([0x12345678, 0x9ABCDEF0], [n, 0, 7, 0]) for n in range(4)]
PHILOX_FURTHER += [([0xDEADBEEF, 0x00C0FFEE], [0xFFFFFFFF, 0x00000001, 0x80000000, 0x7FFFFFFF])]


def write_philox():
    def words(values):
        return [f"{value:08x}" for value in values]

    answers = []
    for key, counter, output in PHILOX_PUBLISHED:
        assert philox(key, counter) == output
        answers.append({"source": "Random123", "key": words(key), "counter": words(counter), "output": words(output)})
    for key, counter in PHILOX_FURTHER:
        answers.append({"source": "generate.py", "key": words(key), "counter": words(counter),
                        "output": words(philox(key, counter))})
    lines = ",\n".join("  " + json.dumps(answer) for answer in answers)
    text = f"[\n{lines}\n]\n"
    (FOLDER / "philox.json").write_text(text)
    print(f"{'philox':20} {len(text):8,} bytes")
    return len(text)


# Files ---------------------------------------------------------------------------------------------------------------

def write_safetensors(path, tensors, metadata):
    """Integers as I32, everything else as F32; the tensors in order of their names."""
    header, body = {"__metadata__": metadata}, b""
    for name in sorted(tensors):
        tensor = tensors[name]
        integers = not tensor.is_floating_point()
        values = tensor.flatten().tolist()
        data = struct.pack(f"<{len(values)}{'i' if integers else 'f'}", *values)
        header[name] = {
            "dtype": "I32" if integers else "F32",
            "shape": list(tensor.shape),
            "data_offsets": [len(body), len(body) + len(data)],
        }
        body += data
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    content = struct.pack("<Q", len(text)) + text + body
    path.write_bytes(content)
    return len(content)


def main():
    torch.manual_seed(0)
    torch.set_num_threads(1)  # one order of summation, whatever the machine
    check_published_counts()
    for stale in FOLDER.glob("*.safetensors"):
        stale.unlink()
    total = sum(write_model(name, config) for name, config in MODELS.items())
    total += write_optimizers()
    total += write_philox()
    assert total < 2_500_000, f"the fixtures have grown to {total:,} bytes"
    print(f"{'together':20} {total:8,} bytes")


if __name__ == "__main__":
    main()
