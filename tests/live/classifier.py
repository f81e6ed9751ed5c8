"""Turn a language model into a sequence classifier with a head of chance; run as weights.py is.

Usage: ``python classifier.py WEIGHTS FOLDER``.
"""

import sys
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

LABELS = ("BENIGN", "MALICIOUS")


def convert(weights: Path, folder: Path) -> None:
    """Write the model of ``weights`` with two classes instead of a vocabulary to ``folder``."""
    torch.manual_seed(7)
    tokenizer = AutoTokenizer.from_pretrained(weights)
    model = AutoModelForSequenceClassification.from_pretrained(
        weights,
        num_labels=len(LABELS),
        id2label=dict(enumerate(LABELS)),
        label2id={label: index for index, label in enumerate(LABELS)},
        pad_token_id=tokenizer.pad_token_id or tokenizer.eos_token_id,
        dtype=torch.bfloat16,
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
