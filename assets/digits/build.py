#!/usr/bin/env python3
"""Rebuilds digits.bin, byte for byte, from scikit-learn's copy of the UCI handwritten digits.

    pip install scikit-learn
    python3 build.py            # writes digits.bin beside this script
    python3 build.py --check    # says whether digits.bin is what would be written

One record an image, in scikit-learn's order: the label (1 byte), then the 64 pixels (0..16, rows from top to
bottom) as 5-bit numbers, most significant bit first (40 bytes). No compression, so that the result does not
depend on the version of a library.
"""

import sys
from pathlib import Path

from sklearn.datasets import load_digits

target = Path(__file__).parent / "digits.bin"
digits = load_digits()
records = bytearray()
for label, image in zip(digits.target, digits.images):
    bits = 0
    for pixel in image.astype(int).ravel():
        assert 0 <= pixel <= 16
        bits = bits << 5 | int(pixel)
    records += bytes([int(label)]) + bits.to_bytes(40, "big")

if sys.argv[1:] == ["--check"]:
    same = target.read_bytes() == bytes(records)
    print("digits.bin is up to date" if same else "digits.bin differs")
    sys.exit(0 if same else 1)
target.write_bytes(records)
print(f"{len(digits.target)} images, {len(records)} bytes")
