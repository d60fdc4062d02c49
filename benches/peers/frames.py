"""The frames that all peers read: pairs of an RGB PNG and a PNG of train ids, all of one size."""

import glob
import json
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

IGNORE = 255

# Name and colour of the 19 train ids of Cityscapes, in order.
CLASSES = (
    ("road", (128, 64, 128)),
    ("sidewalk", (244, 35, 232)),
    ("building", (70, 70, 70)),
    ("wall", (102, 102, 156)),
    ("fence", (190, 153, 153)),
    ("pole", (153, 153, 153)),
    ("traffic light", (250, 170, 30)),
    ("traffic sign", (220, 220, 0)),
    ("vegetation", (107, 142, 35)),
    ("terrain", (152, 251, 152)),
    ("sky", (70, 130, 180)),
    ("person", (220, 20, 60)),
    ("rider", (255, 0, 0)),
    ("car", (0, 0, 142)),
    ("truck", (0, 0, 70)),
    ("bus", (0, 60, 100)),
    ("train", (0, 80, 100)),
    ("motorcycle", (0, 0, 230)),
    ("bicycle", (119, 11, 32)),
)

MANIFEST_HEAD = """\
name = "frames"
mapping = "frames/1"
license = "that of the frames"
[layout]
images = ["images/{stem}.png"]
labels = ["labels/{stem}.png"]
[splits.all]
[labels]
encoding = "grey-id"
ids = [
"""


@dataclass(frozen=True)
class Frames:
    """A folder of frames: images/, jpegs/ (quality 95), labels/ (train ids), colours/ (labels)."""

    folder: Path

    @cached_property
    def stems(self) -> list[str]:
        """The frames' names, in order."""
        return sorted(path.stem for path in (self.folder / "images").glob("*.png"))

    def images(self, image_format: str = "png") -> list[Path]:
        """The images as `png` or `jpg`, in order."""
        folder = {"png": "images", "jpg": "jpegs"}[image_format]
        return [self.folder / folder / f"{stem}.{image_format}" for stem in self.stems]

    def labels(self) -> list[Path]:
        """The maps of train ids, in order."""
        return [self.folder / "labels" / f"{stem}.png" for stem in self.stems]

    def colours(self) -> list[Path]:
        """The labels in the colours of Cityscapes and GTAV, in order."""
        return [self.folder / "colours" / f"{stem}.png" for stem in self.stems]

    def size(self) -> tuple[int, int]:
        """Width and height."""
        with Image.open(self.images()[0]) as image:
            return image.size


def build(images: str, labels: str, folder: Path, stored: int) -> Frames:
    """Lays out `stored` of the frames that two glob patterns find, once.

    Where they find fewer, the same frames come again, turned round the vertical axis by another
    number of columns each time: a few frames would live in the processor's cache, which no data set
    does, and `shard pack` leaves out copies.
    """
    asked = json.dumps({"images": images, "labels": labels, "stored": stored})
    done = folder / "asked.json"
    if done.exists():
        if done.read_text() != asked:
            raise SystemExit(f"{folder}: holds other frames; hint: take another folder for --work")
        return Frames(folder)
    if folder.exists():
        raise SystemExit(f"{folder}: was left unfinished, or is not of this program; delete it")
    found = glob.glob(images), glob.glob(labels)
    if not found[0] or len(found[0]) != len(found[1]):
        raise SystemExit(f"found {len(found[0])} images and {len(found[1])} labels")
    pairs = list(zip(*map(sorted, found), strict=True))[:stored]
    for name in ("images", "jpegs", "labels", "colours"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    turns = -(-stored // len(pairs))
    sizes = set()
    for number in range(stored):
        turn, pair = divmod(number, len(pairs))
        sizes.add(_write_frame(*pairs[pair], folder, f"{number:05}", turn / turns))
    if len(sizes) != 1:
        raise SystemExit(f"found frames of sizes {sorted(sizes)}, expected one size")
    (folder / "manifest.toml").write_text(_manifest())
    done.write_text(asked)
    return Frames(folder)


def _write_frame(
    image_path: str, label_path: str, folder: Path, stem: str, turn: float
) -> tuple[int, int]:
    with Image.open(image_path) as image:
        keeps_file = turn == 0 and image.format == "PNG" and image.mode == "RGB"
        rgb = np.array(image.convert("RGB"))
    with Image.open(label_path) as label:
        if label.mode not in ("L", "P"):
            raise SystemExit(f"{label_path}: found mode {label.mode}, expected 8-bit ids")
        ids = np.array(label)
    height, width = ids.shape
    if rgb.shape != (height, width, 3):
        raise SystemExit(f"{label_path}: its size differs from that of {image_path}")
    ids[ids >= len(CLASSES)] = IGNORE
    rgb, ids = (np.roll(part, int(width * turn), axis=1) for part in (rgb, ids))
    table = np.zeros((256, 3), np.uint8)
    table[: len(CLASSES)] = [colour for _, colour in CLASSES]

    image = Image.fromarray(rgb)
    if keeps_file:
        shutil.copyfile(image_path, folder / "images" / f"{stem}.png")
    else:
        image.save(folder / "images" / f"{stem}.png")
    image.save(folder / "jpegs" / f"{stem}.jpg", quality=95, subsampling="4:2:0")
    Image.fromarray(ids).save(folder / "labels" / f"{stem}.png")
    Image.fromarray(table[ids]).save(folder / "colours" / f"{stem}.png")
    return width, height


def _manifest() -> str:
    """For `shard pack`: the labels are train ids already."""
    ids = [
        f'    {{ id = {number}, name = "{name}", train = "{name}" }},\n'
        for number, (name, _) in enumerate(CLASSES)
    ]
    void = f'    {{ id = {IGNORE}, name = "void", train = "ignore" }},\n'
    return MANIFEST_HEAD + "".join(ids) + void + "]\n"
