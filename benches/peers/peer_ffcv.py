"""FFCV with raw images and labels; the augmentation that its kernels lack is OpenCV's.

FFCV's own transforms cannot treat image and label alike, so a user adds the augmentation behind it.
"""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from ffcv.fields import NDArrayField, RGBImageField
from ffcv.fields.decoders import NDArrayDecoder, SimpleRGBImageDecoder
from ffcv.loader import Loader, OrderOption
from ffcv.writer import DatasetWriter
from PIL import Image

import opencv_augment
from frames import Frames
from opencv_augment import OpencvAugment
from settings import Drain, Settings

PACKAGES = ("ffcv", "numba", "torch", *opencv_augment.PACKAGES)


class _Pairs:
    def __init__(self, source: Frames) -> None:
        self.paths = list(zip(source.images(), source.labels(), strict=True))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        image, labels = self.paths[index]
        return np.array(Image.open(image)), np.array(Image.open(labels))


def pack(source: Frames, folder: Path) -> None:
    width, height = source.size()
    fields = {
        "image": RGBImageField(write_mode="raw"),
        "label": NDArrayField(np.dtype("uint8"), (height, width)),
    }
    writer = DatasetWriter(str(folder / "frames.beton"), fields, num_workers=1)
    writer.from_indexed_dataset(_Pairs(source))


def start(source: Frames, folder: Path, settings: Settings) -> Drain:
    loader = Loader(
        str(folder / "frames.beton"),
        batch_size=settings.batch,
        num_workers=settings.workers,
        order=OrderOption.RANDOM,
        seed=settings.seed,
        os_cache=True,
        pipelines={"image": [SimpleRGBImageDecoder()], "label": [NDArrayDecoder()]},
    )
    mine = threading.local()
    threads = ThreadPoolExecutor(
        settings.workers, initializer=lambda: setattr(mine, "augment", OpencvAugment(settings))
    )

    def drain(samples: int) -> int:
        made = 0
        while made < samples:
            for images, labels in loader:
                pairs = threads.map(lambda image, ids: mine.augment(image, ids), images, labels)
                crops, _ids = (np.stack(part) for part in zip(*pairs, strict=True))
                made += len(crops)
        return made

    return drain
