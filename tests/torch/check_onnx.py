"""Checks exported ONNX files with the ONNX checker and against our own predictions.

    train export RUN --device cpu --format onnx --out NAME.onnx --with-example NAME.safetensors
    python check_onnx.py FOLDER

FOLDER holds pairs NAME.onnx and NAME.safetensors. Each network runs in onnxruntime on the images
of its example, all at once and one by one. Fails unless 99.9 % of the pixels get the class that
our logits give them.
"""

import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
from safetensors.numpy import load_file

REQUIRED_SHARE = 0.999


def predict(session, images):
    """Logits and classes of all images at once; the same one by one must be the same."""
    together = session.run(["logits", "classes"], {"image": images})
    apart = [session.run(["logits", "classes"], {"image": image[None]}) for image in images]
    for one, parts in zip(together, zip(*apart)):
        # Threads may sum in another order for another batch.
        np.testing.assert_allclose(one, np.concatenate(parts), rtol=0, atol=1e-3 * np.abs(one).max())
    return together


def check(path):
    """Prints a row of the table; returns the share of pixels with our class."""
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    example = load_file(path.with_suffix(".safetensors"))
    images, ours = example["image"], example["logits"]

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    logits, classes = predict(session, images)
    assert logits.shape == ours.shape, f"{path}: {logits.shape}, expected {ours.shape}"
    expected = ours.argmax(axis=1)
    share = float((classes == expected).mean())
    difference = float(np.abs(logits - ours).max() / np.abs(ours).max())
    size = "x".join(str(axis) for axis in images.shape[:1:-1])
    found = len(np.unique(expected))
    print(f"| {path.stem} | {len(model.graph.node)} | {size} | {found} "
          f"| {difference:.1e} | {100 * share:.3f} % |")
    return share


def main():
    paths = sorted(pathlib.Path(sys.argv[1]).glob("*.onnx"))
    if not paths:
        sys.exit(f"{sys.argv[1]}: no ONNX files")
    print(f"onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}\n")
    print("| network | nodes | image | classes found | largest difference of logits / largest "
          "logit | same class |")
    print("|---|---|---|---|---|---|")
    shares = [check(path) for path in paths]
    if min(shares) < REQUIRED_SHARE:
        sys.exit(f"expected the same class for {100 * REQUIRED_SHARE} % of the pixels")


if __name__ == "__main__":
    main()
