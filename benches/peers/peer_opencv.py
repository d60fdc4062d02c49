"""Files, OpenCV and albumentations: what a careful user writes today."""

from pathlib import Path

import numpy as np
from torch.utils.data import Dataset

import opencv_augment
from frames import Frames
from opencv_augment import OpencvAugment
from settings import Drain, Settings
from torch_loading import drain_indexed

PACKAGES = ("torch", *opencv_augment.PACKAGES)


class OpencvFrames(Dataset):
    """Decodes a frame, crops it and resizes the crop."""

    def __init__(self, source: Frames, settings: Settings, image_format: str) -> None:
        self.images = source.images(image_format)
        self.labels = source.labels()
        self.augment = OpencvAugment(settings)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        image, labels = self.images[index].read_bytes(), self.labels[index].read_bytes()
        return self.augment(*opencv_augment.decode(image, labels))


def pack(source: Frames, folder: Path) -> None:
    """It reads the files themselves."""


def start(source: Frames, folder: Path, settings: Settings, image_format: str = "png") -> Drain:
    return drain_indexed(OpencvFrames(source, settings, image_format), settings)
