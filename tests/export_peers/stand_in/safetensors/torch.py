import json
from pathlib import Path

import numpy

from torch import Tensor


def load_file(path):
    content = Path(path).read_bytes()
    length = int.from_bytes(content[:8], "little")
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    header.pop("__metadata__", None)
    arrays = {}
    for name, entry in header.items():
        assert entry["dtype"] == "F32", entry
        begin, end = entry["data_offsets"]
        arrays[name] = Tensor(numpy.frombuffer(data[begin:end], "<f4").reshape(entry["shape"]))
    return arrays
