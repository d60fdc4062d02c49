"""Raw frames in a memory-mapped array: what disk space alone can buy, without any loader's code."""

from pathlib import Path

import numpy as np
from PIL import Image
from torch.utils.data import Dataset

import opencv_augment
from frames import Frames
from opencv_augment import OpencvAugment
from settings import Drain, Settings
from torch_loading import drain_indexed

PACKAGES = ("torch", *opencv_augment.PACKAGES)


class RawFrames(Dataset):
    """Touches the pages under the crop alone."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.images = np.load(folder / "images.npy", mmap_mode="r")
        self.labels = np.load(folder / "labels.npy", mmap_mode="r")
        self.augment = OpencvAugment(settings)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        return self.augment(self.images[index], self.labels[index])


def pack(source: Frames, folder: Path) -> None:
    for name, paths in (("images", source.images()), ("labels", source.labels())):
        np.save(folder / f"{name}.npy", np.stack([np.array(Image.open(path)) for path in paths]))


def start(source: Frames, folder: Path, settings: Settings) -> Drain:
    return drain_indexed(RawFrames(folder, settings), settings)
