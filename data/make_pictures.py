"""Makes the pictures in this folder: ``python data/make_pictures.py``. README.md says what they are.

Needs scikit-image, which ships the photograph. Another version of FreeType may set the page a shade differently.
"""

import csv
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

FOLDER = Path(__file__).resolve().parent
FONTS = Path(matplotlib.get_data_path(), "fonts", "ttf")
FINE = 4  # the page is set this many times larger and then averaged down, as a scanner does

HEIGHT, WIDTH = 300, 560
MARGIN, BANNER, FIRST_LINE, LINE = 24, (20, 48), 84, 26  # of the page, in pixels
STYLES = {"plain": "DejaVuSerif.ttf", "negative": "DejaVuSerif.ttf", "italic": "DejaVuSerif-Italic.ttf"}
SIZE = 16
HEADING = "What a filter can read"
TEXT = """\
A window that slides across a page sees one letter after
another. It cannot read: it compares. Wherever the ink
below lies as the ink of the template lies, the score is
large. Of all letters an a gets most, an e or an s gets a
good deal, and blank paper gets nothing at all. What it
takes for an a need not be one, and *an a that leans* may
be passed over. Each match is a guess; only a reader who
has learned what words are can say that it is a mistake."""


def photo():
    """The upper part of scikit-image's ``camera``, at half its size: 200 x 256."""
    from skimage.data import camera

    cut = camera()[30:430].astype(float)
    return cut.reshape(200, 2, 256, 2).mean((1, 3)).round().astype(np.uint8)


def page():
    """``(image, letters)``: a page under uneven light, and ``(character, style, row, column)`` of each letter."""
    sheet = Image.new("L", (WIDTH * FINE, HEIGHT * FINE), 255)
    pen = ImageDraw.Draw(sheet)
    fonts = {style: ImageFont.truetype(str(FONTS / file), SIZE * FINE) for style, file in STYLES.items()}
    letters = []

    def write(words, style, left, baseline):
        """Set words on a baseline, both in fine pixels; returns where they end."""
        font = fonts[style]
        middle = baseline - font.getbbox("x", anchor="ls")[3] / 2 + font.getbbox("x", anchor="ls")[1] / 2
        for i, character in enumerate(words):
            at = left + font.getlength(words[:i])
            if character != " ":
                centre = at + font.getlength(character) / 2
                letters.append((character, style, round(middle / FINE, 1), round(centre / FINE, 1)))
        pen.text((left, baseline), words, font=font, fill=255 if style == "negative" else 0, anchor="ls")
        return left + font.getlength(words)

    top, bottom = BANNER
    pen.rectangle((MARGIN * FINE, top * FINE, (WIDTH - MARGIN) * FINE, bottom * FINE), fill=0)
    write(HEADING, "negative", (MARGIN + 10) * FINE, 39 * FINE)
    for number, line in enumerate(TEXT.splitlines()):
        at = MARGIN * FINE
        for part, words in enumerate(line.split("*")):
            at = write(words, "italic" if part % 2 else "plain", at, (FIRST_LINE + number * LINE) * FINE)

    paper = np.asarray(sheet.resize((WIDTH, HEIGHT), Image.Resampling.BOX), float)
    row, column = np.mgrid[0:HEIGHT, 0:WIDTH]
    light = 1 - 0.55 * (row / HEIGHT + column / WIDTH) / 2
    return (paper * light).round().astype(np.uint8), letters


def main():
    Image.fromarray(photo()).save(FOLDER / "photo.png", optimize=True)
    image, letters = page()
    Image.fromarray(image).save(FOLDER / "page.png", optimize=True)
    with open(FOLDER / "page.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("character", "style", "row", "column"))
        writer.writerows(letters)


if __name__ == "__main__":
    main()
