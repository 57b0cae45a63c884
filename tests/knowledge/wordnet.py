"""A WordNet of six nouns in Princeton's file format.

entity -> person -> man, woman (antonyms); entity -> love, hate (antonyms).
"""

from __future__ import annotations

from pathlib import Path

# Word: hypernym and antonym.
NOUNS = {
    "entity": (None, None),
    "person": ("entity", None),
    "man": ("person", "woman"),
    "woman": ("person", "man"),
    "love": ("entity", "hate"),
    "hate": ("entity", "love"),
}


def write_wordnet(folder: Path) -> Path:
    """Write the dict folder; returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    offsets = dict.fromkeys(NOUNS, 0)
    for _ in range(2):
        # Offsets have a fixed width, so the second round has them right.
        lines, position = [], 0
        for word, (parent, opposite) in NOUNS.items():
            offsets[word] = position
            pointers = [f"@ {offsets[parent]:08d} n 0000"] if parent else []
            pointers += [f"~ {offsets[child]:08d} n 0000" for child, (up, _) in NOUNS.items() if up == word]
            pointers += [f"! {offsets[opposite]:08d} n 0101"] if opposite else []
            line = f"{position:08d} 03 n 01 {word} 0 {len(pointers):03d} {' '.join(pointers)} | a {word}  \n"
            lines.append(line)
            position += len(line)
    index = [f"{word} n 1 1 @ 1 1 {offsets[word]:08d}  \n" for word in sorted(NOUNS)]
    files = {"data.noun": lines, "index.noun": index, "noun.exc": ["men man\n"]}
    files["lexnames"] = [f"{n:02d}\tname.{n}\t1\n" for n in range(5)]
    for part in ("verb", "adj", "adv"):
        files |= {f"data.{part}": [], f"index.{part}": [], f"{part}.exc": []}
    for name, content in files.items():
        (folder / name).write_text("".join(content))
    return folder
