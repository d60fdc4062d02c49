"""Writes pillow_polygons.txt: random polygons and the rasters that Pillow fills for them.

    python make_pillow_polygons.py COUNT SEED > pillow_polygons.txt

One polygon a line: `KIND WIDTH HEIGHT|X,Y X,Y ...|RUNS`. RUNS are the lengths of alternating runs of
unpainted and painted pixels, row after row, beginning with unpainted ones.
"""
import random
import sys

import PIL
from PIL import Image, ImageDraw

count, seed = int(sys.argv[1]), int(sys.argv[2])
rng = random.Random(seed)


def whole(w, h):
    """Simple and self-intersecting polygons of whole numbers."""
    return [(rng.randint(0, w - 1), rng.randint(0, h - 1)) for _ in range(rng.choice([3, 3, 4, 5, 6, 8, 11, 16]))]


def off_canvas(w, h):
    """Vertices up to a canvas away from the canvas."""
    return [(rng.randint(-w, 2 * w), rng.randint(-h, 2 * h)) for _ in range(rng.choice([3, 4, 5, 7, 9]))]


def far(w, h):
    """Vertices thousands of pixels away."""
    return [(rng.randint(-9000, 9000), rng.randint(-9000, 9000)) for _ in range(rng.choice([3, 4, 5]))]


def fractions(w, h):
    """Vertices with fractions, as IDD's are, some of them next to whole numbers and below zero."""
    near = lambda side: rng.choice([
        rng.uniform(-1, side),
        rng.randint(-1, side) + rng.choice([0.5, 0.999999, 0.000001, -0.5]),
    ])
    return [(round(near(w), 7), round(near(h), 7)) for _ in range(rng.choice([3, 4, 5, 6, 9, 14]))]


def clamped(w, h):
    """Fractions beyond the canvas, clamped to it as annotation tools do."""
    clamp = lambda value, side: min(max(value, 0), side - 1)
    points = [(rng.uniform(-w / 2, 1.5 * w), rng.uniform(-h / 2, 1.5 * h)) for _ in range(rng.choice([4, 6, 9]))]
    return [(round(clamp(x, w), 7), round(clamp(y, h), 7)) for x, y in points]


def degenerate(w, h):
    """Lines, points, repeated vertices, and shapes that go back on themselves."""
    a, b, c = whole(w, h)[:3]
    return rng.choice([
        [a, a, a], [a, b, a], [a, b, b], [a, b], [a, a], [a, b, c, b], [a, b, c, c, b, a], [a, b, c, a, b, c],
        [a, (a[0], b[1]), (a[0], c[1])], [a, (b[0], a[1]), (c[0], a[1])], [a, (b[0], a[1]), (c[0], a[1]), c],
    ])


def rectilinear(w, h):
    """Only horizontal and vertical edges, crossing one another."""
    points, (x, y) = [], whole(w, h)[0]
    for _ in range(rng.choice([2, 3, 4, 6])):
        points.append((x, y))
        x = rng.randint(-2, w + 1)
        points.append((x, y))
        y = rng.randint(-2, h + 1)
    return points


def star(w, h):
    """A pentagram and its kin, turned anyhow: holes by the even-odd rule."""
    import math
    n, turn = rng.choice([5, 7, 9]), rng.uniform(0, 7)
    angle = lambda i: turn + i * 2 * (n // 2) * math.pi / n
    r = min(w, h) * rng.uniform(0.3, 0.7)
    return [(round(w / 2 + r * math.cos(angle(i)), 3), round(h / 2 + r * math.sin(angle(i)), 3)) for i in range(n)]


KINDS = [whole, whole, off_canvas, far, fractions, fractions, clamped, degenerate, rectilinear, star]

print(f"# {count} polygons, seed {seed}, filled by Pillow {PIL.__version__}")
for index in range(count):
    kind = KINDS[index % len(KINDS)]
    width, height = rng.randint(1, 40), rng.randint(1, 28)
    points = kind(width, height)
    image = Image.new("L", (width, height), 0)
    ImageDraw.Draw(image).polygon(points, fill=1)
    runs, value, length = [], 0, 0
    for pixel in image.tobytes():
        if pixel != value:
            runs.append(length)
            value, length = pixel, 0
        length += 1
    runs.append(length)
    vertices = " ".join(f"{x},{y}" for x, y in points)
    print(f"{kind.__name__} {width} {height}|{vertices}|{' '.join(map(str, runs))}")
