"""The augmentation of the OpenCV peers: crop first, then OpenCV and albumentations."""

import random

import albumentations
import cv2
import numpy as np

from settings import Settings

PACKAGES = ("opencv-python-headless", "albumentations", "numpy")

FILTERS = {"bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}


class OpencvAugment:
    """Scale, crop, flip, colour jitter and blur; one per thread."""

    def __init__(self, settings: Settings) -> None:
        cv2.setNumThreads(0)
        self.crop = settings.crop
        self.filter = FILTERS[settings.filter]
        self.rest = albumentations.Compose(
            [
                albumentations.HorizontalFlip(p=0.5),
                albumentations.ColorJitter((0.6, 1.4), (0.6, 1.4), (0.6, 1.4), (-0.1, 0.1), p=1),
                albumentations.GaussianBlur(blur_limit=0, sigma_limit=(0.15, 1.3), p=1),
            ]
        )

    def __call__(self, image: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """From [H, W, 3] and [H, W] to [3, crop, crop] and [crop, crop]."""
        scale = random.uniform(0.5, 2)
        top, bottom, rows, above = self._span(image.shape[0], scale)
        left, right, columns, before = self._span(image.shape[1], scale)
        part = cv2.resize(image[top:bottom, left:right], (columns, rows), interpolation=self.filter)
        ids = cv2.resize(
            labels[top:bottom, left:right], (columns, rows), interpolation=cv2.INTER_NEAREST
        )
        if (rows, columns) != (self.crop, self.crop):
            border = (above, self.crop - rows - above, before, self.crop - columns - before)
            part = cv2.copyMakeBorder(part, *border, cv2.BORDER_CONSTANT, value=(0, 0, 0))
            ids = cv2.copyMakeBorder(ids, *border, cv2.BORDER_CONSTANT, value=255)
        result = self.rest(image=part, mask=ids)
        return np.ascontiguousarray(result["image"].transpose(2, 0, 1)), result["mask"]

    def _span(self, source: int, scale: float) -> tuple[int, int, int, int]:
        """First and end of the source pixels, the pixels they become, and the padding before."""
        scaled = int(source * scale)
        visible = min(self.crop, scaled)
        first = int(random.randint(0, scaled - visible) / scale)
        end = min(source, first + max(1, round(visible / scale)))
        return first, end, visible, random.randint(0, self.crop - visible)


def decode(image: bytes | np.ndarray, labels: bytes | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Encoded files to RGB [H, W, 3] and train ids [H, W]."""
    return (
        cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR_RGB),
        cv2.imdecode(np.frombuffer(labels, np.uint8), cv2.IMREAD_GRAYSCALE),
    )
