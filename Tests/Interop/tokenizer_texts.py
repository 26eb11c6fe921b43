"""Texts for the differential tests of tokenizers: every script, and everything that split patterns treat specially.

The same seed gives the same texts, so that fixtures and the long comparison are made alike.
"""
import random

# A range of code points per script, and some that are there for their properties: marks, digits, spaces, emoji.
SCRIPTS = {
    "latin": [(0x41, 0x5A), (0x61, 0x7A)],
    "latin1": [(0xA0, 0xFF)],
    "extended": [(0x100, 0x24F), (0x1E00, 0x1EFF), (0x2C60, 0x2C7F)],
    "greek": [(0x370, 0x3FF), (0x1F00, 0x1FFF)],
    "cyrillic": [(0x400, 0x52F)],
    "armenian": [(0x531, 0x58F)],
    "hebrew": [(0x591, 0x5F4)],
    "arabic": [(0x600, 0x6FF), (0x750, 0x77F)],
    "syriac": [(0x700, 0x74F)],
    "indic": [(0x900, 0xDFF)],
    "thai": [(0xE00, 0xEFF)],
    "tibetan": [(0xF00, 0xFDA)],
    "myanmar": [(0x1000, 0x109F)],
    "georgian": [(0x10A0, 0x10FF), (0x1C90, 0x1CBF)],
    "hangul": [(0x1100, 0x11FF), (0xAC00, 0xD7A3)],
    "ethiopic": [(0x1200, 0x139F)],
    "cherokee": [(0x13A0, 0x13FD), (0xAB70, 0xABBF)],
    "canadian": [(0x1400, 0x167F)],
    "khmer": [(0x1780, 0x17FF)],
    "mongolian": [(0x1800, 0x18AF)],
    "kana": [(0x3041, 0x30FF)],
    "han": [(0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF)],
    "marks": [(0x300, 0x36F), (0x1AB0, 0x1AFF), (0x20D0, 0x20F0), (0xFE00, 0xFE0F)],
    "numbers": [(0x30, 0x39), (0xB2, 0xB3), (0xBC, 0xBE), (0x660, 0x669), (0x966, 0x96F), (0x2070, 0x2079), (0x2150, 0x2189),
                (0x2460, 0x249B), (0x3021, 0x3029), (0xFF10, 0xFF19), (0x1D7CE, 0x1D7FF)],
    "punctuation": [(0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E), (0x2010, 0x2027), (0x3001, 0x3020)],
    "symbols": [(0x2100, 0x214F), (0x2190, 0x23FF), (0x2500, 0x27BF), (0x20A0, 0x20BF)],
    "spaces": [(0x20, 0x20), (0x09, 0x0D), (0x85, 0x85), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029),
               (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000)],
    "formats": [(0xAD, 0xAD), (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x2064), (0xFEFF, 0xFEFF), (0x1C, 0x1F), (0x00, 0x08)],
    "emoji": [(0x1F300, 0x1F64F), (0x1F680, 0x1F6FF), (0x1F900, 0x1F9FF), (0x1F1E6, 0x1F1FF), (0x1F3FB, 0x1F3FF)],
    "math": [(0x1D400, 0x1D7CB)],
    "old": [(0x10000, 0x1005D), (0x10300, 0x1031F), (0x10400, 0x1044F), (0x12000, 0x12399)],
    "private": [(0xE000, 0xE0FF), (0xFFF9, 0xFFFD)],
}
PIECES = [
    "'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'T", "'RE", "'Ve", "'LL", "'D", "'\u017f", "'", "''", "\u2019s", " 's", "I'm", "you'LL",
    "\n", "\r\n", "\n\n", "\n\n\n", " \n", "\n ", "  \n  ", "\t\t", "\t\n", " ", "  ", "   ", "        ", "\u00a0", "\u3000\u3000", "\r", "\x0b", "\x0c",
    "1", "12", "123", "1234", "12345678", "3.14", "1,000", "v2", "\u00bd", "\u0661\u0662\u0663\u0664",
    "...", "!!!", "?!\n", "//", "/*\n*/", "!\n\n", "--", "==", "{}", "();\n", "}\n\n", "/\n/", "\\", "\"", "<", ">", "<|", "|>", "@", "#", "_", "__a",
    "hello", " world", " The", "camelCase", "HTTPServer", "XMLHttpRequest", "iPhone", "A", "ABC", " ABCdef", "e\u0301", "E\u0301A", "na\u00efve",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f1e9\U0001f1ea", "\U0001f44d\U0001f3fd", "\u2764\ufe0f",
    "\u4f60\u597d", "\u4e16\u754c\u3002", "\u3053\u3093\u306b\u3061\u306f", "\uc548\ub155", "\u043f\u0440\u0438\u0432\u0435\u0442", "\u0645\u0631\u062d\u0628\u0627",
    "\u0928\u092e\u0938\u094d\u0924\u0947", "\u1e9e\u00df", "\u01c5\u01c4\u01c6", "\u02b0\u02b1", "\ufb01", "\u212a", "\u0130i\u0307",
]
SPECIALS = ["<|endoftext|>", "<|fim_prefix|>", "<s>", "</s>", "<unk>", "<|im_start|>", " <mask> ", "[MASK]", "<|endoftext", "<|endoftext|>\n"]


def assigned():
    import unicodedata
    return [c for c in range(0x110000) if not 0xD800 <= c < 0xE000 and unicodedata.category(chr(c)) != "Cn"]


def settled(text):
    """The text without characters that are newer than some of the references' Unicode tables: those that Python 3.11 (Unicode
    14) does not have, and marks of Unicode 13 and 14, which the normalizers of tokenizers 0.23 do not order."""
    import unicodedata
    return "".join(c for c in text if unicodedata.category(c) != "Cn" and not 0x1ABF <= ord(c) <= 0x1ACE)


def texts(count, seed=0, specials=False):
    rng = random.Random(seed)
    names = list(SCRIPTS)
    every = assigned()

    def character():
        kind = rng.random()
        if kind < 0.05:
            return chr(rng.choice(every))
        low, high = rng.choice(SCRIPTS[rng.choice(names)])
        return chr(rng.randint(low, high))

    def piece(script):
        kind = rng.random()
        if specials and kind < 0.12:
            return rng.choice(SPECIALS)
        if kind < 0.45:
            return rng.choice(PIECES)
        if kind < 0.55:
            return "".join(character() for _ in range(rng.randint(1, 4)))
        if kind < 0.6:
            return rng.choice(" \n\t\r\u00a0aA1.") * rng.randint(1, 12)
        ranges = SCRIPTS[script]
        word = "".join(chr(rng.randint(*rng.choice(ranges))) for _ in range(rng.randint(1, 8)))
        return rng.choice(["", " ", "  "]) + word

    for number in range(count):
        script = rng.choice(names)
        text = "".join(piece(script) for _ in range(rng.randint(0, 12)))
        # Python's strings may hold halves of surrogate pairs; nothing here makes one.
        yield text
