"""Checks each case below a folder with onnx and onnxruntime and prints, a JSON line a case, how far its outputs are
from what is expected. A case is a folder with model.onnx, case.json, input.bin and expected.bin."""

import json
import sys
from pathlib import Path

import numpy
import onnx
import onnxruntime

for folder in sorted(path.parent for path in Path(sys.argv[1]).glob("*/case.json")):
    case = json.loads((folder / "case.json").read_text())
    model = onnx.load(folder / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    images = numpy.fromfile(folder / "input.bin", case["dtype"]).reshape(case["shape"])
    expected = numpy.fromfile(folder / "expected.bin", "float32").reshape(len(images), -1)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])
    (taken,), (given,) = session.get_inputs(), session.get_outputs()
    whole = session.run(None, {taken.name: images})[0]
    first = session.run(None, {taken.name: images[:1]})[0]
    assert whole.shape == expected.shape and first.shape == (1, expected.shape[1]), (whole.shape, first.shape)
    found = numpy.concatenate([whole, first])
    wanted = numpy.concatenate([expected, expected[:1]])
    print(
        json.dumps(
            {
                "name": folder.name,
                "difference": float(numpy.abs(found - wanted).max()),
                "scale": float(numpy.abs(wanted).max()),
                "input": taken.name,
                "input_type": taken.type,
                "input_shape": taken.shape,
                "output": given.name,
                "opset": model.opset_import[0].version,
                "metadata": {entry.key: entry.value for entry in model.metadata_props},
            }
        )
    )
