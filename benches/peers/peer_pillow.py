"""The way of the reference code: Pillow, torchvision and scikit-image on whole frames."""

import random
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from skimage.filters import gaussian
from torch.utils.data import Dataset
from torchvision.transforms import ColorJitter

import frames
from frames import Frames
from settings import Drain, Settings
from torch_loading import drain_indexed

PACKAGES = ("pillow", "torch", "torchvision", "scikit-image", "numpy")

FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


class PillowFrames(Dataset):
    """Resizes the whole frame and then crops it."""

    def __init__(self, source: Frames, settings: Settings, colours: bool) -> None:
        self.images = source.images()
        self.labels = source.colours() if colours else source.labels()
        self.colours = colours
        self.crop = settings.crop
        self.filter = FILTERS[settings.filter]
        self.jitter = ColorJitter(0.4, 0.4, 0.4, 0.1)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        image = Image.open(self.images[index]).convert("RGB")
        labels = Image.open(self.labels[index])
        if self.colours:
            labels = Image.fromarray(ids_of_colours(np.array(labels)))
        scale = random.uniform(0.5, 2)
        size = int(image.width * scale), int(image.height * scale)
        image, labels = self._crop(
            image.resize(size, self.filter), labels.resize(size, Image.Resampling.NEAREST)
        )
        if random.random() < 0.5:
            image, labels = ImageOps.mirror(image), ImageOps.mirror(labels)
        image = self.jitter(image)
        levels = gaussian(np.array(image), sigma=random.uniform(0.15, 1.3), channel_axis=-1) * 255
        planes = np.ascontiguousarray(levels.astype(np.uint8).transpose(2, 0, 1))
        return planes, np.array(labels)

    def _crop(self, image: Image.Image, labels: Image.Image) -> tuple[Image.Image, Image.Image]:
        padding = [(self.crop - side) // 2 + 1 if side < self.crop else 0 for side in image.size]
        if any(padding):
            image = ImageOps.expand(image, border=tuple(padding), fill=0)
            labels = ImageOps.expand(labels, border=tuple(padding), fill=frames.IGNORE)
        left = random.randint(0, image.width - self.crop)
        top = random.randint(0, image.height - self.crop)
        box = left, top, left + self.crop, top + self.crop
        return image.crop(box), labels.crop(box)


def ids_of_colours(colours: np.ndarray) -> np.ndarray:
    """Train ids of a coloured label, [H, W, 3] to [H, W], one comparison per class and channel."""
    ids = np.full(colours.shape[:2], frames.IGNORE, np.uint8)
    for train_id, (_, colour) in enumerate(frames.CLASSES):
        # The whole frame is compared for each channel, as the reference code does it.
        red, green, blue = ((colours == np.array(colour))[:, :, channel] for channel in range(3))
        ids[red & green & blue] = train_id
    return ids


def pack(source: Frames, folder: Path) -> None:
    """It reads the files themselves."""


def start(source: Frames, folder: Path, settings: Settings, colours: bool = False) -> Drain:
    return drain_indexed(PillowFrames(source, settings, colours), settings)
