"""nanochat in PyTorch: the model with all its parts, and its Muon."""

import math

import torch
from torch import nn
from torch.nn import functional as F

EPSILON = torch.finfo(torch.float32).eps


def norm(x):
    return F.rms_norm(x, (x.shape[-1],), eps=EPSILON)


def rotated(x, cos, sin):
    """x: [B, T, H, D]; dimension j turns with j + D/2, by −θ."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos + second * sin, second * cos - first * sin], dim=-1)


def attend(q, k, v, mask):
    """Causal attention; `mask` is None for all positions, a tensor of booleans, or flex_attention's block mask."""
    if mask is None or isinstance(mask, torch.Tensor):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
    from torch.nn.attention.flex_attention import flex_attention

    return flex_attention(q.to(v.dtype), k.to(v.dtype), v, block_mask=mask)


class Attention(nn.Module):
    def __init__(self, width, heads, gated):
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(width, width, bias=False)
        self.k = nn.Linear(width, width, bias=False)
        self.v = nn.Linear(width, width, bias=False)
        self.output = nn.Linear(width, width, bias=False)
        self.gate = nn.Linear(12, heads, bias=False) if gated else None

    def forward(self, x, value_embedding, rotary, mask):
        B, T, C = x.shape
        q, k, v = (linear(x).view(B, T, self.heads, -1) for linear in (self.q, self.k, self.v))
        if value_embedding is not None:
            gate = 3 * torch.sigmoid(self.gate(x[..., :12]))
            v = (v + gate.unsqueeze(-1) * value_embedding.view(v.shape)).to(v.dtype)
        q, k = (norm(rotated(each, *rotary)) * 1.2 for each in (q, k))
        q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
        y = attend(q, k, v, mask)
        return self.output(y.transpose(1, 2).reshape(B, T, C))


class Block(nn.Module):
    def __init__(self, width, heads, gated):
        super().__init__()
        self.attention = Attention(width, heads, gated)
        self.up = nn.Linear(width, 4 * width, bias=False)
        self.down = nn.Linear(4 * width, width, bias=False)

    def forward(self, x, value_embedding, rotary, mask):
        x = x + self.attention(norm(x), value_embedding, rotary, mask)
        return x + self.down(F.relu(self.up(norm(x))).square())


class NanoChat(nn.Module):
    def __init__(self, vocabulary, context, layers, heads, width, pattern="SSSL"):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.value_embeddings = nn.ModuleDict(
            {str(i): nn.Embedding(vocabulary, width) for i in range(layers) if i % 2 == (layers - 1) % 2}
        )
        self.blocks = nn.ModuleList([Block(width, heads, str(i) in self.value_embeddings) for i in range(layers)])
        self.head = nn.Linear(width, vocabulary, bias=False)
        along = torch.linspace(0, 1, layers)
        self.residual_scale = nn.Parameter(1.15 - 0.10 * along)
        self.x0_scale = nn.Parameter(0.20 - 0.15 * along)
        self.smear_gate = nn.Linear(24, 1, bias=False)
        self.smear_scale = nn.Parameter(torch.zeros(1))
        self.backout = nn.Parameter(torch.full((1,), 0.2))

        size = width // heads
        frequencies = 100_000 ** (-torch.arange(0, size, 2) / size)
        angles = torch.outer(torch.arange(context), frequencies)[:, None, :]
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())
        # A window of w lets a position see w tokens back and itself. Layers that see everything need no mask.
        short = min(context, math.ceil(context / 4 / 128) * 128)
        back = torch.arange(context)[:, None] - torch.arange(context)
        self.register_buffer("window", (back >= 0) & (back <= short))
        self.short = short
        # In place of `window`, and the type of what runs along the blocks under autocast: see cuda_torch.py.
        self.block_mask, self.stream = None, None
        letters = [pattern[i % len(pattern)] for i in range(layers - 1)] + ["L"]
        self.windowed = [letter == "S" and short < context for letter in letters]
        self.initialize(width)

    def initialize(self, width):
        bound = math.sqrt(3 / width)
        nn.init.normal_(self.tokens.weight, std=0.8)
        nn.init.normal_(self.head.weight, std=0.001)
        nn.init.uniform_(self.smear_gate.weight, 0, 0.02)
        for table in self.value_embeddings.values():
            nn.init.uniform_(table.weight, -bound, bound)
        for block in self.blocks:
            attention = block.attention
            for linear in (attention.q, attention.k, attention.v):
                nn.init.uniform_(linear.weight, -bound, bound)
            nn.init.uniform_(block.up.weight, -0.4 * bound, 0.4 * bound)
            nn.init.zeros_(attention.output.weight)
            nn.init.zeros_(block.down.weight)
            if attention.gate is not None:
                nn.init.uniform_(attention.gate.weight, 0, 0.02)

    def forward(self, tokens, targets):
        T = tokens.shape[1]
        x = norm(self.tokens(tokens))
        gate = self.smear_scale * torch.sigmoid(self.smear_gate(x[:, 1:, :24]))
        x = torch.cat([x[:, :1], x[:, 1:] + gate * x[:, :-1]], dim=1).to(self.stream or x.dtype)
        window = self.window[:T, :T] if self.block_mask is None else self.block_mask
        x0, rotary = x, (self.cos[:T], self.sin[:T])
        for i, block in enumerate(self.blocks):
            x = self.residual_scale[i] * x + self.x0_scale[i] * x0
            table = self.value_embeddings[str(i)](tokens) if str(i) in self.value_embeddings else None
            x = block(x, table, rotary, window if self.windowed[i] else None)
            if i == len(self.blocks) // 2:
                middle = x
        logits = self.head(norm(x - self.backout * middle))
        logits = 15 * torch.tanh(logits / 15)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


POLAR_EXPRESS = [
    (8.156554524902461, -22.48329292557795, 15.878769915207462),
    (4.042929935166739, -2.808917465908714, 0.5000178451051316),
    (3.8916678022926607, -2.772484153217685, 0.5060648178503393),
    (3.285753657755655, -2.3681294933425376, 0.46449024233003106),
    (2.3465413258596377, -1.7097828382687081, 0.42323551169305323),
]


def orthogonalized(x):
    """Five Polar Express steps (arXiv:2505.16932) over a stack of matrices [N, rows, columns]."""
    tall = x.shape[1] > x.shape[2]
    for a, b, c in POLAR_EXPRESS:
        gram = x.mT @ x if tall else x @ x.mT
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        x = torch.baddbmm(x, x, polynomial, beta=a) if tall else torch.baddbmm(x, polynomial, x, beta=a)
    return x


class Muon(torch.optim.Optimizer):
    """nanochat's: row norms evened out, Polar Express, NorMuon's second moment, cautious decay. Matrices of one shape
    move together, as one stack."""

    def __init__(self, parameters, lr=0.02, momentum=0.97, beta2=0.9, weight_decay=0.02):
        shapes = {}
        for parameter in parameters:
            shapes.setdefault(parameter.shape, []).append(parameter)
        groups = [{"params": same} for same in shapes.values()]
        super().__init__(groups, dict(lr=lr, momentum=momentum, beta2=beta2, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            self.move(group)

    def move(self, group):
        parameters = group["params"]
        rows, columns = parameters[0].shape
        state = self.state[parameters[0]]
        along = -1 if rows >= columns else -2
        g = torch.stack([p.grad for p in parameters])
        if not state:
            state["buffer"] = torch.zeros_like(g)
            state["second"] = torch.zeros_like(g.mean(dim=along, keepdim=True))
        values = torch.stack(parameters)
        self.update(
            g, values, state["buffer"], state["second"], group["momentum"], group["beta2"], group["lr"], group["weight_decay"])
        torch._foreach_copy_(parameters, list(values.unbind(0)))

    @staticmethod
    def update(g, values, buffer, second, momentum, beta2, lr, weight_decay):
        """Moves `values` [N, rows, columns] by the gradients `g`; `buffer` and `second` are the state."""
        rows, columns = values.shape[1:]
        along = -1 if rows >= columns else -2
        buffer.lerp_(g, 1 - momentum)
        g = g.lerp(buffer, momentum)

        lengths = g.norm(dim=-1, keepdim=True)
        g = g * (lengths.mean(dim=-2, keepdim=True) / lengths.clamp_min(1e-7))
        g = g / (1.01 * g.norm(dim=(-2, -1), keepdim=True) + 1e-7)
        # On a GPU in bfloat16, as nanochat does.
        g = orthogonalized(g.bfloat16()).float() if g.is_cuda else orthogonalized(g)
        g = g * (math.sqrt(min(rows, columns)) / g.norm(dim=(-2, -1), keepdim=True).clamp_min(1e-10))

        squares = g.square().mean(dim=along, keepdim=True)
        second.lerp_(squares, 1 - beta2)
        scale = second.clamp_min(1e-10).rsqrt()
        before, after = (s.sum(dim=(-2, -1), keepdim=True) for s in (squares, squares * scale.square()))
        g = g * (scale * (before / after.clamp_min(1e-20)).sqrt())

        lr = lr * math.sqrt(max(1, rows / columns))
        agrees = (g * values) >= 0
        values.sub_(lr * g + lr * weight_decay * values * agrees)


class NanoChatOptimizer:
    """Muon for the matrices in the blocks, AdamW with a setting each for tables, head and scalars."""

    def __init__(self, model, width):
        scale = math.sqrt(768 / width)
        smear = [model.smear_gate.weight, model.smear_scale, model.backout]
        self.muon = Muon(list(model.blocks.parameters()))
        self.adamw = torch.optim.AdamW(
            [
                dict(params=[model.head.weight], lr=0.008 * scale, betas=(0.8, 0.96), weight_decay=0.01),
                dict(params=[model.tokens.weight], lr=0.3 * scale, betas=(0.8, 0.995), weight_decay=0.001),
                dict(
                    params=list(model.value_embeddings.parameters()),
                    lr=0.15 * scale, betas=(0.8, 0.995), weight_decay=0.01,
                ),
                dict(params=[model.residual_scale], lr=0.005, betas=(0.8, 0.95), weight_decay=0.05),
                dict(params=[model.x0_scale], lr=0.5, betas=(0.96, 0.95), weight_decay=0.0),
                dict(params=smear, lr=0.2, betas=(0.8, 0.95), weight_decay=0.0),
            ],
            eps=1e-10, fused=True,
        )

    def step(self):
        self.muon.step()
        self.adamw.step()

    def zero_grad(self):
        self.muon.zero_grad()
        self.adamw.zero_grad()
