"""Loads each case below a folder with its own module.py and prints, a JSON line a case, how far its logits are from
what is expected. A case is a folder with module.py, module.safetensors, case.json, input.bin and expected.bin."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy

if "--stand-in" in sys.argv:
    sys.path.insert(0, str(Path(__file__).parent / "stand_in"))
import torch

for folder in sorted(path.parent for path in Path(sys.argv[1]).glob("*/case.json")):
    case = json.loads((folder / "case.json").read_text())
    spec = importlib.util.spec_from_file_location("module", folder / "module.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    network = module.load()
    pixels = numpy.fromfile(folder / "input.bin", "uint8").reshape(case["shape"])
    expected = numpy.fromfile(folder / "expected.bin", "float32").reshape(len(pixels), -1)
    if "--stand-in" in sys.argv:
        found = network(module.normalise(torch.from_numpy(pixels))).numpy()
    else:
        torch.set_num_threads(1)
        with torch.no_grad():
            found = network(module.normalise(torch.from_numpy(pixels))).numpy()
        torch.save(network.state_dict(), folder / "saved.pth")
    print(
        json.dumps(
            {
                "name": folder.name,
                "difference": float(numpy.abs(found - expected).max()),
                "scale": float(numpy.abs(expected).max()),
                "classes": module.CLASSES,
            }
        )
    )
