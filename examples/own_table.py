"""From a CSV file with its own column names to predictions."""

import csv
import sys
from pathlib import Path

import pandas as pd
from PIL import Image

from clfa import CLFAPredictor

COLOURS = {"red": (200, 40, 40), "green": (40, 170, 60), "blue": (40, 60, 200)}


def write_table(folder: Path) -> Path:
    """Write 60 posts with pictures: "angry" where the picture is red, "calm" elsewhere; the last picture is missing."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    table = folder / "posts.csv"
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["tweet", "photo", "mood"])
        for number in range(60):
            colour = list(COLOURS)[number % 3]
            name = f"images/{number}.png"
            if number < 59:
                Image.new("RGB", (64, 64), COLOURS[colour]).save(folder / name)
            writer.writerow([f"look at this, number {number}", name, "angry" if colour == "red" else "calm"])
    return table


def main(folder: Path) -> None:
    table = write_table(folder / "data")
    predictor = CLFAPredictor(
        "offline",
        folder / "run",
        text="tweet",
        image="photo",
        label="mood",
        # Rows may name pictures in this folder only.
        image_root=folder / "data",
        overrides=["training.epochs=4", "training.learning_rate=1e-3", "guide.name=none"],
    )
    # No validation table is given: a stratified tenth of the posts is held out to choose the best epoch.
    predictor.fit(table)
    print("classes:", predictor.label_names)

    # Rows that cannot be used do not stop a run: they are listed with the reason.
    print((folder / "run" / "dropped.jsonl").read_text(encoding="utf-8"))

    pictures = [f"images/{number}.png" for number in (0, 1, 2)]
    new = pd.DataFrame({"tweet": "look at this", "photo": pictures})
    print(predictor.predict(new))
    print(predictor.predict_proba(new).round(3))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/own-table"))
