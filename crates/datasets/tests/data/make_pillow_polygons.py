"""Writes pillow_polygons.json: random polygons and the rasters that Pillow fills for them.

    python make_pillow_polygons.py COUNT SEED > pillow_polygons.json
"""
import json
import random
import sys

from PIL import Image, ImageDraw

count, seed = int(sys.argv[1]), int(sys.argv[2])
rng = random.Random(seed)
cases = []
for index in range(count):
    width, height = rng.randint(5, 20), rng.randint(5, 14)
    # Every third may leave the canvas; every fourth has fractions, as IDD's vertices do.
    margin = 12 if index % 3 == 0 else 0
    corners = rng.choice([3, 3, 4, 5, 6, 8, 11])
    points = []
    for _ in range(corners):
        x = rng.uniform(-margin, width - 1 + margin)
        y = rng.uniform(-margin, height - 1 + margin)
        fractional = index % 4 == 3
        points.append([round(x, 3) if fractional else int(x), round(y, 3) if fractional else int(y)])
    image = Image.new("L", (width, height), 0)
    ImageDraw.Draw(image).polygon([tuple(point) for point in points], fill=1)
    data = image.tobytes()
    rows = ["".join(".#"[v] for v in data[y * width : (y + 1) * width]) for y in range(height)]
    cases.append({"width": width, "height": height, "points": points, "rows": rows})
print("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]")
