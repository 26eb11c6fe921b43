"""PyTorch's side of cuda.py, written to be fast on a GPU: torch.compile, fused attention, bfloat16 with float32 parameters.

    cuda_torch.py WORKLOAD [--batch N] [--smoke] [--no-compile]

It makes the model and compiles it, writes a line of JSON, then measures once for every line that it reads. One JSON object a line; one
with "error" where it cannot. With --smoke, sizes of a toy on the CPU: to see that it runs.
"""

import argparse
import json
import sys
import time

import torch
from torch.nn import functional as F

from gpt import GPT, decay_groups
from nanochat import Muon, NanoChat, NanoChatOptimizer


class Place:
    """Where it computes, and whether as a toy."""

    def __init__(self, options):
        self.smoke, self.compiles, self.batch = options.smoke, not options.no_compile, options.batch
        self.device = torch.device("cpu" if options.smoke else "cuda")
        self.steps = 2 if options.smoke else 20

    def compiled(self, function, **options):
        # Every size on its own: code for any size is slower.
        return torch.compile(function, dynamic=False, **options) if self.compiles else function

    def wait(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def seconds(self, action, calls):
        """Of one call, where many are asked for at once and waited for together."""
        self.wait()
        start = time.perf_counter()
        for _ in range(calls):
            action()
        self.wait()
        return (time.perf_counter() - start) / calls

    def enough(self, action):
        """Calls that take about 50 ms."""
        action()
        return 1 if self.smoke else max(1, min(1000, round(0.05 / self.seconds(action, 3))))


class Training:
    """A whole step: forward and backward under autocast, clip, optimizer, gradients cleared."""

    def __init__(self, place, model, optimizer, vocabulary, context, clip):
        self.place, self.tokens = place, place.batch * context
        self.model = model.to(place.device)
        self.model.stream = torch.bfloat16
        self.optimizer, self.clip = optimizer(self.model), clip
        self.parameters = list(self.model.parameters())
        self.forward = place.compiled(self.model)
        self.drawn = torch.randint(vocabulary, (8, place.batch, context + 1), device=place.device)
        self.turn = 0
        for _ in range(3):
            self.step()
        place.wait()

    def step(self):
        batch = self.drawn[self.turn % len(self.drawn)]
        self.turn += 1
        with torch.autocast(self.place.device.type, torch.bfloat16):
            loss = self.forward(batch[:, :-1], batch[:, 1:])
        loss.backward()
        if self.clip:
            torch.nn.utils.clip_grad_norm_(self.parameters, self.clip)
        self.optimizer.step()
        self.optimizer.zero_grad()

    def measure(self):
        seconds = self.place.seconds(self.step, self.place.steps)
        peak = torch.cuda.max_memory_allocated() if self.place.device.type == "cuda" else None
        return {"tokens_per_second": self.tokens / seconds, "peak_memory_bytes": peak}


def gpt2(place):
    # 50,304 tokens, of which 50,257 occur: matrix products like such sizes better, and it is what nanoGPT does.
    sizes = dict(vocabulary=512, context=64, layers=2, heads=2, width=64) if place.smoke else dict(vocabulary=50304)

    def optimizer(model):
        return torch.optim.AdamW(decay_groups(model, 0.1), lr=6e-4, betas=(0.9, 0.95), fused=True)

    model = GPT(**sizes)
    return Training(place, model, optimizer, sizes["vocabulary"] - (0 if place.smoke else 47), model.context, 1.0), {}


def nanochat(place):
    """With nanochat's own windows by flex_attention, whose work grows with the window, where that compiles; else by a mask."""
    vocabulary, context, width = (512, 256, 128) if place.smoke else (32768, 2048, 768)
    layers, heads = (4, 2) if place.smoke else (12, 6)

    def optimizer(model):
        if place.compiles:
            Muon.update = staticmethod(torch.compile(Muon.update, dynamic=False))
        return NanoChatOptimizer(model, width)

    def make(windows):
        model = NanoChat(vocabulary, context, layers, heads, width)
        if windows == "flex_attention":
            from torch.nn.attention.flex_attention import create_block_mask

            short = model.short
            model.block_mask = create_block_mask(
                lambda b, h, q, k: (q >= k) & (q - k <= short), None, None, context, context, device=place.device)
        return Training(place, model, optimizer, vocabulary, context, None)

    if place.compiles and not place.smoke:
        try:
            return make("flex_attention"), {"windows": "flex_attention"}
        except torch.cuda.OutOfMemoryError:
            raise
        except Exception as failure:  # whatever its compiler says
            print(f"flex_attention: {failure}", file=sys.stderr)
            torch._dynamo.reset()
    return make("mask"), {"windows": "mask"}


class Attention:
    """Attention alone, forward and backward: PyTorch's fused kernels by name, and flex_attention for windows."""

    def __init__(self, place):
        self.place = place
        tokens, width = (256, 128) if place.smoke else (16384, 2048)
        contexts = (64, 128) if place.smoke else (1024, 4096)
        self.cases = []
        for context in contexts:
            for dim in (64, 128):
                self.cases.append(dict(batch=tokens // context, context=context, heads=width // dim, head_dim=dim, window=None))
        for dim in (64, 128):
            window = 16 if place.smoke else 256
            self.cases.append(dict(self.cases[-1], head_dim=dim, heads=width // dim, window=window))
        self.ready = [(case, dict(self.kernels(case))) for case in self.cases]

    def kernels(self, case):
        """Name, forward, backward and calls a round, of every kernel that takes the case."""
        place, shape = self.place, (case["batch"], case["heads"], case["context"], case["head_dim"])
        q, k, v, upstream = (torch.randn(shape, device=place.device, dtype=torch.bfloat16) for _ in range(4))
        for each in (q, k, v):
            each.requires_grad_()
        for name, attend in self.candidates(case):
            try:
                y = attend(q, k, v)

                def forward(attend=attend):
                    with torch.no_grad():
                        attend(q, k, v)

                def backward(y=y):
                    torch.autograd.grad(y, (q, k, v), upstream, retain_graph=True)

                yield name, (forward, place.enough(forward), backward, place.enough(backward))
            except Exception as failure:  # a kernel that is not for this card, or not for these sizes
                print(f"{name}: {str(failure).splitlines()[0]}", file=sys.stderr)

    def candidates(self, case):
        if case["window"] is not None:
            from torch.nn.attention.flex_attention import create_block_mask, flex_attention

            window = case["window"]
            mask = create_block_mask(
                lambda b, h, q, k: (q >= k) & (q - k <= window), None, None, case["context"], case["context"],
                device=self.place.device)
            flex = self.place.compiled(flex_attention)
            yield "flex_attention", lambda q, k, v: flex(q, k, v, block_mask=mask)
            back = torch.arange(case["context"], device=self.place.device)
            back = back[:, None] - back
            seen = (back >= 0) & (back <= window)
            yield "mask", lambda q, k, v: F.scaled_dot_product_attention(q, k, v, attn_mask=seen)
            return
        if self.place.smoke:
            yield "default", lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True)
            return
        from torch.nn.attention import SDPBackend, sdpa_kernel

        for name, backend in (("cudnn", SDPBackend.CUDNN_ATTENTION), ("flash", SDPBackend.FLASH_ATTENTION)):

            def attend(q, k, v, backend=backend):
                with sdpa_kernel(backend):
                    return F.scaled_dot_product_attention(q, k, v, is_causal=True)

            yield name, attend

    def measure(self):
        seconds = self.place.seconds
        return {
            "attention": [
                case | {"kernels": {
                    name: {"forward_seconds": seconds(forward, many), "backward_seconds": seconds(backward, few)}
                    for name, (forward, many, backward, few) in kernels.items()
                }}
                for case, kernels in self.ready
            ]
        }


class Decoding:
    """Greedy decoding of GPT-2 in bfloat16: a cache of fixed size, the whole step compiled into a CUDA graph."""

    @torch.inference_mode()
    def __init__(self, place):
        self.place, self.prompt, self.count = place, 16 if place.smoke else 512, 8 if place.smoke else 64
        sizes = dict(vocabulary=512, context=64, layers=2, heads=2, width=64) if place.smoke else {}
        self.model = GPT(**sizes).to(place.device, torch.bfloat16).eval()
        heads, width = self.model.blocks[0].heads, self.model.tokens.weight.shape[1]
        self.caches = {}
        for batch in (1, 4) if place.smoke else (1, 64):
            # No longer than needed, as every step reads all of it; at one place, or it would not go into a CUDA graph.
            shape = (len(self.model.blocks), 2, batch, heads, self.prompt + self.count, width // heads)
            self.caches[batch] = torch.randn(shape, device=place.device, dtype=torch.bfloat16)
            torch._dynamo.mark_static_address(self.caches[batch])
        self.next = place.compiled(self.token, mode="reduce-overhead", fullgraph=True) if not place.smoke else place.compiled(self.token)
        self.measure(rounds=1)

    def token(self, token, caches, position):
        """The likeliest token after `token` [B, 1], which stands at `position` [1]."""
        model = self.model
        x = model.tokens(token) + model.positions(position)
        length = caches.shape[4]
        seen = (torch.arange(length, device=token.device) <= position).view(1, 1, 1, length)
        for i, block in enumerate(model.blocks):
            batch, _, width = x.shape
            q, k, v = block.qkv(block.norm1(x)).view(batch, 1, 3, block.heads, -1).permute(2, 0, 3, 1, 4)
            caches[i, 0].index_copy_(2, position, k)
            caches[i, 1].index_copy_(2, position, v)
            y = F.scaled_dot_product_attention(q, caches[i, 0], caches[i, 1], attn_mask=seen)
            x = x + block.projection(y.transpose(1, 2).reshape(batch, 1, width))
            x = x + block.down(F.gelu(block.up(block.norm2(x)), approximate="tanh"))
        return F.linear(model.norm(x), model.tokens.weight).argmax(dim=-1)

    @torch.inference_mode()
    def measure(self, rounds=3):
        found = []
        for batch, caches in self.caches.items():
            token = torch.zeros(batch, 1, dtype=torch.long, device=self.place.device)
            positions = torch.arange(self.prompt, self.prompt + self.count, device=self.place.device)
            best = []
            for _ in range(rounds):
                for number in range(self.count):
                    if number == self.count // 4:  # what comes before is to warm up
                        self.place.wait()
                        start = time.perf_counter()
                    # What a CUDA graph gives is its own memory, which the next run writes anew.
                    token = self.next(token, caches, positions[number : number + 1]).clone()
                self.place.wait()
                best.append((time.perf_counter() - start) / (self.count - self.count // 4))
            found.append({"batch": batch, "tokens_per_second": batch / sorted(best)[len(best) // 2]})
        return {"decode": found}


WORKLOADS = {"gpt2": gpt2, "nanochat": nanochat, "attention": lambda p: (Attention(p), {}), "decode": lambda p: (Decoding(p), {})}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workload", choices=WORKLOADS)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--no-compile", action="store_true")
    place = Place(parser.parse_args())
    options = parser.parse_args()

    def answer(**what):
        print(json.dumps(what), flush=True)

    if not place.smoke and not torch.cuda.is_available():
        return answer(error="PyTorch sees no GPU")
    torch.manual_seed(0)
    torch.set_float32_matmul_precision("high")
    try:
        start = time.perf_counter()
        workload, facts = WORKLOADS[options.workload](place)
        answer(
            torch=torch.__version__, cuda=torch.version.cuda, compiled=place.compiles,
            device="cpu" if place.smoke else torch.cuda.get_device_name(), prepared_seconds=time.perf_counter() - start, **facts)
        for _ in sys.stdin:
            measured = workload.measure()
            if place.device.type == "cuda":
                torch.cuda.empty_cache()  # the other side needs memory too
            answer(**measured)
    except torch.cuda.OutOfMemoryError:
        answer(error="out of memory")
    except Exception as failure:
        answer(error=(str(failure).strip() or type(failure).__name__).splitlines()[0][:300])
        raise


if __name__ == "__main__":
    main()
