"""GPTs in PyTorch: the lecture's, written as the lecture writes it, and GPT-2's, written to be fast."""

import math

import torch
from torch import nn
from torch.nn import functional as F


class Head(nn.Module):
    """One head of the lecture's attention: a Linear each for key, query and value, explicit mask and softmax."""

    def __init__(self, width, size, context):
        super().__init__()
        self.key = nn.Linear(width, size, bias=False)
        self.query = nn.Linear(width, size, bias=False)
        self.value = nn.Linear(width, size, bias=False)
        self.register_buffer("tril", torch.tril(torch.ones(context, context)))

    def forward(self, x):
        _, T, C = x.shape
        k, q = self.key(x), self.query(x)
        weights = q @ k.transpose(-2, -1) * C**-0.5
        weights = weights.masked_fill(self.tril[:T, :T] == 0, float("-inf"))
        return F.softmax(weights, dim=-1) @ self.value(x)


class LectureBlock(nn.Module):
    def __init__(self, width, heads, context):
        super().__init__()
        self.heads = nn.ModuleList([Head(width, width // heads, context) for _ in range(heads)])
        self.projection = nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.ReLU(), nn.Linear(4 * width, width))
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)

    def forward(self, x):
        normed = self.norm1(x)
        x = x + self.projection(torch.cat([head(normed) for head in self.heads], dim=-1))
        return x + self.mlp(self.norm2(x))


class LectureGPT(nn.Module):
    def __init__(self, vocabulary=65, context=32, layers=4, heads=4, width=64):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(context, width)
        self.blocks = nn.Sequential(*[LectureBlock(width, heads, context) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, tokens, targets):
        x = self.tokens(tokens) + self.positions(torch.arange(tokens.shape[1]))
        logits = self.head(self.norm(self.blocks(x)))
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


class Block(nn.Module):
    """Pre-norm, q, k and v in one product, fused attention."""

    def __init__(self, width, heads, bias, gelu, dropout):
        super().__init__()
        self.heads, self.gelu, self.dropout = heads, gelu, dropout
        self.norm1 = nn.LayerNorm(width, bias=bias)
        self.qkv = nn.Linear(width, 3 * width, bias=bias)
        self.projection = nn.Linear(width, width, bias=bias)
        self.norm2 = nn.LayerNorm(width, bias=bias)
        self.up = nn.Linear(width, 4 * width, bias=bias)
        self.down = nn.Linear(4 * width, width, bias=bias)

    def forward(self, x, cache=None, start=0):
        """`cache`: keys and values [2, B, H, context, D], filled up to `start`; this call's are added."""
        B, T, C = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(B, T, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        if cache is not None:
            cache[0, :, :, start : start + T] = k
            cache[1, :, :, start : start + T] = v
            k, v = cache[:, :, :, : start + T]
        dropout = self.dropout if self.training else 0.0
        # A single new token sees everything: no mask. Several are only ever a prompt, from position 0.
        y = F.scaled_dot_product_attention(q, k, v, is_causal=T > 1, dropout_p=dropout)
        x = x + F.dropout(self.projection(y.transpose(1, 2).reshape(B, T, C)), dropout)
        hidden = F.gelu(self.up(self.norm2(x)), approximate=self.gelu)
        return x + F.dropout(self.down(hidden), dropout)


class GPT(nn.Module):
    """GPT-2 by default; `bias=False, gelu="none"` makes nanoGPT's character models of it."""

    def __init__(
        self, vocabulary=50257, context=1024, layers=12, heads=12, width=768, bias=True, gelu="tanh", dropout=0.0
    ):
        super().__init__()
        self.context, self.dropout = context, dropout
        # The type of what runs along the blocks under autocast; None for the parameters'.
        self.stream = None
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(context, width)
        self.blocks = nn.ModuleList([Block(width, heads, bias, gelu, dropout) for _ in range(layers)])
        self.norm = nn.LayerNorm(width, bias=bias)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                residual = name.endswith(("projection.weight", "down.weight"))
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * layers) if residual else 0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def hidden(self, tokens, caches=None, start=0):
        positions = self.positions.weight[start : start + tokens.shape[1]]
        x = F.dropout(self.tokens(tokens) + positions, self.dropout, self.training).to(self.stream or positions.dtype)
        for i, block in enumerate(self.blocks):
            x = block(x, None if caches is None else caches[i], start)
        return x

    def forward(self, tokens, targets):
        logits = F.linear(self.norm(self.hidden(tokens)), self.tokens.weight)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())

    def new_cache(self, batch):
        """[layers, 2, B, H, context, D], allocated once."""
        heads, weight = self.blocks[0].heads, self.tokens.weight
        return weight.new_zeros(len(self.blocks), 2, batch, heads, self.context, weight.shape[1] // heads)

    def next_token(self, tokens, caches, start):
        """The likeliest token after `tokens` [B, T], which stand at `start` and are put into the cache: [B, 1]."""
        last = self.norm(self.hidden(tokens, caches, start)[:, -1:])
        return F.linear(last, self.tokens.weight).argmax(dim=-1)


def decay_groups(model, decay):
    """Weight decay on matrices and tables only."""
    parameters = list(model.parameters())
    return [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
