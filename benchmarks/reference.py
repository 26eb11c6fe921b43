"""Times the workloads in PyTorch. One JSON object a line:

    python reference.py --only gpt2-4x64 --threads 2

Tokens and weights are random, so nothing is downloaded. Peak memory is the process's: run one workload at a time
(`--only`) to know its own.
"""

import argparse
import json
import resource
import statistics
import sys
import time

import torch

from gpt import GPT, LectureGPT, decay_groups
from nanochat import NanoChat, NanoChatOptimizer

WARM_UP = 2


def peak_memory():
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def timed(action, steps):
    """The seconds that each of `steps` calls took, after the warm-up."""
    for _ in range(WARM_UP):
        action()
    seconds = []
    for _ in range(steps):
        start = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - start)
    return seconds


class Training:
    """A whole step: forward, backward, clip where the recipe clips, optimizer. Batches are there beforehand."""

    def __init__(self, model, optimizer, vocabulary, batch, context, clip=1.0, steps=5):
        self.model, self.optimizer, self.clip, self.steps = model, optimizer, clip, steps
        self.vocabulary, self.batch, self.context = vocabulary, batch, context

    def run(self, steps, compiles):
        model = self.model()
        optimizer = self.optimizer(model)
        parameters = list(model.parameters())
        forward = torch.compile(model) if compiles else model
        drawn = torch.randint(self.vocabulary, (8, self.batch, self.context + 1))
        turn = 0

        def step():
            nonlocal turn
            batch = drawn[turn % len(drawn)]
            turn += 1
            loss = forward(batch[:, :-1], batch[:, 1:])
            loss.backward()
            if self.clip:
                torch.nn.utils.clip_grad_norm_(parameters, self.clip)
            optimizer.step()
            optimizer.zero_grad()

        return timed(step, steps), self.batch * self.context


class Decoding:
    """Greedy decoding of GPT-2 with a KV cache, after a prompt; a step is a token in each sequence."""

    def __init__(self, batch=1, dtype=torch.float32, prompt=512, steps=32):
        self.batch, self.dtype, self.prompt, self.steps = batch, dtype, prompt, steps

    @torch.inference_mode()
    def run(self, steps, compiles):
        model = GPT().to(self.dtype).eval()
        caches = model.new_cache(self.batch)
        token = model.next_token(torch.randint(50257, (self.batch, self.prompt)), caches, 0)
        position = self.prompt
        forward = torch.compile(model.next_token, dynamic=True) if compiles else model.next_token

        def step():
            nonlocal token, position
            token = forward(token, caches, position)
            position += 1

        return timed(step, steps), self.batch


class Prefill:
    """A prompt of GPT-2 put into an empty KV cache, and the first token after it."""

    def __init__(self, prompt=512, steps=5):
        self.prompt, self.steps = prompt, steps

    @torch.inference_mode()
    def run(self, steps, compiles):
        model = GPT().eval()
        caches = model.new_cache(1)
        prompt = torch.randint(50257, (1, self.prompt))
        forward = torch.compile(model.next_token) if compiles else model.next_token
        return timed(lambda: forward(prompt, caches, 0), steps), self.prompt


class TransformersDecoding:
    """`generate` of the transformers package, for those who have it installed: what most users run."""

    def __init__(self, prompt=512, steps=32):
        self.prompt, self.steps = prompt, steps

    @torch.inference_mode()
    def run(self, steps, compiles):
        from transformers import GPT2Config, GPT2LMHeadModel

        model = GPT2LMHeadModel(GPT2Config()).eval()
        prompt = torch.randint(50257, (1, self.prompt))

        def seconds(tokens):
            start = time.perf_counter()
            model.generate(
                prompt, attention_mask=torch.ones_like(prompt), pad_token_id=0, do_sample=False,
                min_new_tokens=tokens, max_new_tokens=tokens,
            )
            return time.perf_counter() - start

        seconds(2)
        # One token is the prompt's work; the tokens after it are the decoding.
        return [(seconds(1 + steps) - seconds(1)) / steps for _ in range(3)], 1


def adamw(lr, betas, decay):
    return lambda model: torch.optim.AdamW(decay_groups(model, decay), lr=lr, betas=betas, fused=True)


def character_model(context, layers, heads, width, dropout=0.0):
    return lambda: GPT(65, context, layers, heads, width, bias=False, gelu="none", dropout=dropout)


def gpt2_training(batch, context):
    return Training(lambda: GPT(context=context), adamw(6e-4, (0.9, 0.95), 0.1), 50257, batch, context)


NANOGPT = adamw(1e-3, (0.9, 0.99), 0.1)

WORKLOADS = {
    "lecture": Training(
        LectureGPT, lambda model: torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True), 65, 16, 32,
        clip=None, steps=100,
    ),
    "nanogpt-cpu": Training(character_model(64, 4, 4, 128), NANOGPT, 65, 12, 64, steps=100),
    "nanogpt-baby": Training(character_model(256, 6, 6, 384), NANOGPT, 65, 64, 256, steps=3),
    "nanogpt-baby-dropout": Training(character_model(256, 6, 6, 384, dropout=0.2), NANOGPT, 65, 64, 256, steps=3),
    "gpt2-4x64": gpt2_training(4, 64),
    "gpt2-1x1024": gpt2_training(1, 1024),
    "nanochat": Training(
        lambda: NanoChat(4096, 512, layers=6, heads=3, width=384), lambda model: NanoChatOptimizer(model, 384),
        4096, 8, 512, clip=None,
    ),
    "gpt2-decode": Decoding(),
    "gpt2-decode-bfloat16": Decoding(dtype=torch.bfloat16),
    "gpt2-decode-16": Decoding(batch=16),
    "gpt2-prefill-512": Prefill(),
    "gpt2-decode-transformers": TransformersDecoding(),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=WORKLOADS, metavar="NAME", help=", ".join(WORKLOADS))
    parser.add_argument("--threads", type=int, help="by default as many as PyTorch chooses")
    parser.add_argument("--steps", type=int, help="steps to time; by default enough for each workload")
    parser.add_argument("--compile", action="store_true", help="torch.compile the model")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    imported = peak_memory()
    for name in [options.only] if options.only else WORKLOADS:
        torch.manual_seed(0)
        workload = WORKLOADS[name]
        seconds, tokens = workload.run(options.steps or workload.steps, options.compile)
        median = statistics.median(seconds)
        result = {
            "workload": name, "torch": torch.__version__, "threads": torch.get_num_threads(),
            "compiled": options.compile, "steps": len(seconds), "tokens_per_step": tokens,
            "seconds_per_step": median, "seconds_per_step_min": min(seconds), "seconds_per_step_max": max(seconds),
            "tokens_per_second": tokens / median, "peak_memory_bytes": peak_memory(),
            "peak_memory_bytes_after_import": imported,
        }
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
