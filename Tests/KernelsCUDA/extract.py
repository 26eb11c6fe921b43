#!/usr/bin/env python3
"""Writes the CUDA C++ that Sources/Autograd/CUDA/Kernels/*.swift carry into a folder, a file a family: extract.py FOLDER

Each file is what the program hands to the compiler: what all families share, then the family. #line directives name the Swift
file, so that a compiler's message points there. Prints the families' names, as in CUDASource.all.
"""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parents[2]
folder = root / "Sources/Autograd/CUDA/Kernels"


def literals(path):
    """The raw literals of a Swift file as [name of the declaration, line before it, text], indentation taken off as Swift does."""
    found = []
    lines = path.read_text(encoding="utf-8").split("\n")
    name, start = None, None
    for number, line in enumerate(lines, 1):
        if start is None:
            declared = re.match(r"\s*static let (\w+)", line)
            if declared:
                name = declared[1]
            if line.endswith('#"""'):
                start = number
        elif line.lstrip().startswith('"""#'):
            indent = len(line) - len(line.lstrip())
            body = lines[start:number - 1]
            for inner in body:
                if inner.strip() and inner[:indent].strip():
                    raise SystemExit(f"{path}:{start}: a line is indented less than the end of its literal")
            text = "\n".join(inner[indent:] for inner in body)
            found.append((name, lines[start - 1], f'#line {start + 1} "{path}"\n{text}\n'))
            start = None
    return found


def main():
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    every = [literal for path in sorted(folder.glob("*.swift")) for literal in literals(path)]
    listing = (root / "Sources/Autograd/CUDA/CUDASource.swift").read_text(encoding="utf-8")
    families = re.search(r"static let all = \[(.*?)\]", listing, re.S)[1].replace(",", " ").split()
    shared = {name: text for name, line, text in every if re.match(r"\s*static let", line)}
    written = []
    for name, line, text in every:
        if name in shared:
            continue
        before = re.findall(r"(\w+) \+", line)
        (out / f"{name}.cu").write_text(shared["prelude"] + "".join(shared[part] for part in before) + text)
        written.append(name)
    if sorted(written) != sorted(families):
        raise SystemExit(f"CUDASource.all lists {sorted(families)}, but the files hold {sorted(written)}")
    print("\n".join(families))


main()
