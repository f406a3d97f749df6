"""Draws the icons of extension and module and the thumbnail of the sample: a bright lesion that a ring has found.

    python Testing/Pictures/icons.py

Needs Pillow, which matplotlib brings along.
"""

import math
import random
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter

REPOSITORY = Path(__file__).resolve().parents[2]
OVERSAMPLED = 8
TISSUE, LESION, RING, FAINT = (38, 50, 66), (255, 214, 120), (236, 92, 51), (120, 190, 215)


def icon(side: int) -> Image.Image:
    """A disc of tissue with small lesions, one of them within a ring, on a transparent ground."""
    big = side * OVERSAMPLED
    picture = Image.new("RGBA", (big, big), (0, 0, 0, 0))
    draw = ImageDraw.Draw(picture)

    def disc(x: float, y: float, radius: float, **style) -> None:
        draw.ellipse([(x - radius) * big, (y - radius) * big, (x + radius) * big, (y + radius) * big], **style)

    disc(0.5, 0.5, 0.47, fill=TISSUE)
    disc(0.5, 0.5, 0.47, outline=FAINT, width=big // 32)
    for x, y, radius in ((0.30, 0.33, 0.035), (0.27, 0.62, 0.05), (0.46, 0.78, 0.03), (0.47, 0.22, 0.025)):
        disc(x, y, radius, fill=FAINT)
    disc(0.64, 0.50, 0.085, fill=LESION)
    disc(0.64, 0.50, 0.19, outline=RING, width=big // 20)
    return picture.resize((side, side), Image.Resampling.LANCZOS)


def thumbnail(width: int = 260, height: int = 280) -> Image.Image:
    """A slice as the phantom has it: chest, lungs, vessels, and nodules with rings."""
    picture = Image.new("L", (width, height), 8)
    draw = ImageDraw.Draw(picture)
    draw.ellipse([10, 40, 250, 240], fill=120)
    for left, right in ((30, 118), (142, 230)):
        draw.ellipse([left, 60, right, 220], fill=28)
    chance = random.Random(3)
    for _vessel in range(70):
        x, y = chance.choice((74, 186)) + chance.gauss(0, 22), 140 + chance.gauss(0, 40)
        if math.hypot((x - (74 if x < 130 else 186)) / 38, (y - 140) / 72) < 1:
            radius = chance.uniform(0.8, 2.2)
            draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=110)
    nodules = ((60, 110, 7), (196, 170, 10), (180, 96, 5))
    for x, y, radius in nodules:
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=150)
    coloured = picture.filter(ImageFilter.GaussianBlur(1.2)).convert("RGB")
    rings = ImageDraw.Draw(coloured)
    for x, y, radius in nodules:
        rings.ellipse([x - radius - 5, y - radius - 5, x + radius + 5, y + radius + 5], outline=RING, width=3)
    return coloured


def main() -> None:
    folder = REPOSITORY / "SlicerLossSeg" / "Resources" / "Icons"
    folder.mkdir(parents=True, exist_ok=True)
    icon(128).save(folder / "SlicerLossSeg.png", optimize=True)
    thumbnail().save(folder / "SlicerLossSegSample.png", optimize=True)
    icon(128).save(REPOSITORY / "Resources" / "LossSeg.png", optimize=True)


if __name__ == "__main__":
    main()
