"""The tokenizers that the differential tests compare: small vocabularies with every part that Loom reads."""
import base64
import json
import os

import tiktoken
from tiktoken.load import data_gym_to_mergeable_bpe_ranks
from tiktoken_ext import openai_public
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from tokenizer_texts import texts

GPT4 = r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
QWEN2 = GPT4.replace("{1,3}", "")
NANOCHAT = GPT4.replace("{1,3}", "{1,2}")
CL100K = r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"""
DEEPSEEK = [r"\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+",
            r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""]


def o200k():
    upper, lower = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
    tail = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    return "|".join([r"[^\r\n\p{L}\p{N}]?" + upper + "*" + lower + "+" + tail, r"[^\r\n\p{L}\p{N}]?" + upper + "+" + lower + "*" + tail,
                     r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n/]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"])


def corpus():
    here = os.path.dirname(os.path.abspath(__file__))
    words = list(texts(3000, seed=99))
    with open(os.path.join(here, "tokenizer_texts.py"), encoding="utf-8") as file:
        words += file.read().split("\n\n") * 5
    return words


CLIP = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
# Tokens of each trained vocabulary, at most.
SIZE = 1500


def trained(pre, normalizer=None, **model):
    tokenizer = Tokenizer(models.BPE(**model))
    tokenizer.pre_tokenizer = pre
    if normalizer:
        tokenizer.normalizer = normalizer
    alphabet = pre_tokenizers.ByteLevel.alphabet() if not model.get("byte_fallback") and model.get("unk_token") != "<unk>" else []
    specials = ["<unk>"] + [f"<0x{b:02X}>" for b in range(256)] if model.get("byte_fallback") else []
    if model.get("unk_token") == "<unk>":
        specials = specials or ["<unk>"]
    affixes = {name: model[name] for name in ["end_of_word_suffix", "continuing_subword_prefix"] if name in model}
    trainer = trainers.BpeTrainer(vocab_size=SIZE, initial_alphabet=alphabet, special_tokens=specials, show_progress=False,
                                  limit_alphabet=1000 if alphabet else 150, **affixes)
    tokenizer.train_from_iterator(corpus(), trainer)
    return tokenizer


def byte_level(pattern, normalizer=None, **model):
    split = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    if pattern:
        patterns = [pattern] if isinstance(pattern, str) else pattern
        split = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(p), "isolated") for p in patterns]
                                        + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer = trained(split, normalizer, **model)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def with_specials(tokenizer):
    tokenizer.add_special_tokens([AddedToken("<|endoftext|>", special=True), AddedToken("<|fim_prefix|>", special=True),
                                  AddedToken("<|im_start|>", special=True, rstrip=True), AddedToken("<mask>", special=True, lstrip=True)])
    tokenizer.add_tokens([AddedToken("[MASK]", single_word=True, normalized=True), AddedToken("hello", normalized=True), AddedToken("        ", normalized=False)])
    return tokenizer


def llama():
    """As Llama 2's: characters, bytes where there is none, spaces as ▁."""
    return stripped_specials(trained(pre_tokenizers.Metaspace(), byte_fallback=True, fuse_unk=True, unk_token="<unk>"))


def stripped_specials(tokenizer):
    """Training adds <0x..> as special tokens; in the published files they are tokens of the model alone."""
    data = json.loads(tokenizer.to_str())
    data["added_tokens"] = [t for t in data["added_tokens"] if not t["content"].startswith("<0x")]
    return Tokenizer.from_str(json.dumps(data))


def hub(name):
    if name == "gpt2":
        t = with_specials(byte_level(None))
    elif name == "gpt2-prefix":
        t = byte_level(None)
        t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        t = with_specials(t)
    elif name == "llama3":
        t = with_specials(byte_level(GPT4, ignore_merges=True))
        t.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), processors.TemplateProcessing(
            single="<|endoftext|> $A", pair="<|endoftext|> $A <|endoftext|> $B", special_tokens=[("<|endoftext|>", t.token_to_id("<|endoftext|>"))])])
    elif name == "qwen2":
        t = with_specials(byte_level(QWEN2, normalizer=normalizers.NFC()))
    elif name == "o200k":
        t = with_specials(byte_level(o200k()))
    elif name == "deepseek":
        t = with_specials(byte_level(DEEPSEEK))
    elif name == "digits":
        t = trained(pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]))
        t.decoder = decoders.ByteLevel()
    elif name == "llama2":
        t = llama2()
    elif name == "mistral":
        t = llama()
        t.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=False)
        t.add_special_tokens(["<s>", "</s>"])
        t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
        t.post_processor = processors.TemplateProcessing(single="<s> $A </s>", pair="<s> $A $B", special_tokens=[("<s>", t.token_to_id("<s>")), ("</s>", t.token_to_id("</s>"))])
    elif name == "gemma":
        t = llama()
        t.normalizer = normalizers.Replace(" ", "▁")
        t.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
        t.add_special_tokens(["<s>"])
        t.add_tokens([AddedToken("\n\n", normalized=False), AddedToken("▁▁▁", normalized=True)])
        t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    elif name == "unknowns":
        t = trained(pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Digits(individual_digits=False), pre_tokenizers.Metaspace()]),
                    normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase(), normalizers.Strip()]), unk_token="a", fuse_unk=False)
        t.decoder = decoders.Metaspace()
    elif name == "gpt1":
        t = gpt1()
    elif name == "clip":
        # Bytes with a suffix, as CLIP's text encoder has them.
        t = trained(pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(CLIP), "removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]),
                    normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]), end_of_word_suffix="</w>")
        t.decoder = decoders.ByteLevel()
    elif name == "pieces":
        # A prefix in front of what continues a word, both affixes at once, bytes for what is unknown, and the normalizer's other options.
        t = stripped_specials(trained(pre_tokenizers.BertPreTokenizer(), normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False),
                                      unk_token="<unk>", fuse_unk=True, byte_fallback=True, continuing_subword_prefix="##", end_of_word_suffix="@"))
        t.decoder = decoders.Fuse()
    elif name == "punctuation":
        t = trained(pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Punctuation("merged_with_next")]),
                    normalizers.BertNormalizer(strip_accents=False), unk_token="<unk>", fuse_unk=True)
        t.decoder = decoders.Fuse()
    else:
        raise ValueError(name)
    return t


def gpt1():
    t = trained(pre_tokenizers.BertPreTokenizer(), normalizers.BertNormalizer(lowercase=True), unk_token="<unk>", end_of_word_suffix="</w>")
    t.decoder = decoders.BPEDecoder(suffix="</w>")
    return t


def gpt1_pair(place):
    """GPT-1's as it was published first: vocab.json and merges.txt in a folder."""
    folder = os.path.join(place, "gpt1")
    os.makedirs(folder, exist_ok=True)
    t = gpt1()
    t.model.save(folder)
    return t, folder


def llama2():
    t = llama()
    t.pre_tokenizer = None
    t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    t.add_special_tokens(["<s>", "</s>"])
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    t.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", t.token_to_id("<s>"))])
    return t


HUB_NAMES = ["gpt2", "gpt2-prefix", "llama3", "qwen2", "o200k", "deepseek", "digits", "llama2", "mistral", "gemma", "unknowns", "gpt1", "clip", "pieces", "punctuation"]


def hub_tokenizers(place):
    found = {}
    for name in HUB_NAMES:
        tokenizer = hub(name)
        data = json.loads(tokenizer.to_str())
        if data["pre_tokenizer"] is None and data["normalizer"] is None:
            raise ValueError(name)
        path = os.path.join(place, name + ".json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(data, file, ensure_ascii=False)
        found[name] = (Tokenizer.from_file(path), path)
    return found


def ranks_of(tokenizer):
    """The ranks of a byte-level tokenizer, bytes first, as tiktoken has them."""
    alphabet = {v: k for k, v in byte_alphabet().items()}
    data = json.loads(tokenizer.to_str())["model"]
    ranks = {bytes([b]): b for b in range(256)}
    for merge in data["merges"]:
        left, right = merge if isinstance(merge, list) else merge.split(" ")
        token = bytes(alphabet[c] for c in left + right)
        if token not in ranks:
            ranks[token] = len(ranks)
    return ranks


def byte_alphabet():
    printable = list(range(0x21, 0x7F)) + list(range(0xA1, 0xAD)) + list(range(0xAE, 0x100))
    rest = [b for b in range(256) if b not in printable]
    return {b: chr(b) for b in printable} | {b: chr(256 + n) for n, b in enumerate(rest)}


def write_ranks(path, ranks):
    with open(path, "wb") as file:
        for token, rank in ranks.items():
            file.write(base64.b64encode(token) + b" " + str(rank).encode() + b"\n")


def rank_encodings(place):
    found = {}
    patterns = {"gpt2": openai_public.r50k_pat_str, "gpt4": GPT4, "cl100k": CL100K, "o200k": o200k(), "nanochat": NANOCHAT, "qwen2": QWEN2}
    for name, pattern in patterns.items():
        ranks = ranks_of(byte_level({"gpt2": None, "cl100k": GPT4}.get(name, pattern)))
        path = os.path.join(place, name + ".tiktoken")
        write_ranks(path, ranks)
        found[name] = (tiktoken.Encoding(name, pat_str=pattern, mergeable_ranks=ranks, special_tokens={}), path, ["--pattern", name])
        # The same by Loom's engine for expressions: a group around it hides that it is a known one.
        found[name + " as an expression"] = (found[name][0], path, ["--pattern", f"(?:{pattern})"])
    data = os.path.join(os.environ.get("LOOM_DATA", ""), "gpt2-bpe")
    if os.path.exists(os.path.join(data, "vocab.bpe")):
        ranks = data_gym_to_mergeable_bpe_ranks(os.path.join(data, "vocab.bpe"), os.path.join(data, "encoder.json"))
        real = tiktoken.Encoding("real", pat_str=openai_public.r50k_pat_str, mergeable_ranks=ranks, special_tokens={})
        found["gpt2 (the real vocabulary)"] = (real, data, ["--special", "plain"])
        path = os.path.join(place, "real.tiktoken")
        write_ranks(path, ranks)
        found["gpt2 (real ranks)"] = (real, path, [])
    return found
