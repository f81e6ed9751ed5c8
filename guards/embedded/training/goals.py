"""The hazard of a request that is known to be harmful, by its words.

Several sources say that a request is harmful and not why; this gives their rows a hazard to learn
from. It is used in training only.
"""

import re

from guards.hazards import Hazard

# Tried in this order: the narrower hazards come first.
_SIGNS: tuple[tuple[Hazard, tuple[str, ...]], ...] = (
    (
        Hazard.CHILD_EXPLOITATION,
        (
            r"\bchild(ren)? porn", r"pedophil", r"\bminors?\b.*sex", r"sex.*\bminors?\b",
            r"underage", r"groom", r"molest", r"child (abuse|exploit|traffic)", r"儿童色情",
            r"猥亵儿童",
        ),
    ),
    (
        Hazard.SELF_HARM,
        (
            r"suicid", r"self-harm", r"kill (myself|yourself|themsel)", r"anorexi", r"bulimi",
            r"eating disorder", r"自杀", r"自残", r"割腕",
        ),
    ),
    (
        Hazard.SEX_CRIMES,
        (
            r"\brap(e|ing|ist)\b", r"date rape", r"sexual(ly)? (assault|harass|exploit)",
            r"revenge porn", r"sex traffic", r"强奸", r"迷奸", r"性骚扰",
        ),
    ),
    (
        Hazard.INDISCRIMINATE_WEAPONS,
        (
            r"\bbombs?\b", r"explosive", r"chemical weapon", r"biological weapon", r"bioweapon",
            r"nuclear", r"anthrax", r"sarin", r"nerve (gas|agent)", r"missile", r"dirty bomb",
            r"炸弹", r"炸药", r"爆炸", r"毒气", r"核武",
        ),
    ),
    (
        Hazard.ELECTIONS,
        (
            r"\belections?\b", r"\bvot(e|er|ers|ing)\b", r"ballot", r"选举", r"选票",
        ),
    ),
    (
        Hazard.INTELLECTUAL_PROPERTY,
        (
            r"pirat", r"copyright", r"counterfeit (goods|product|brand)", r"illegally download",
            r"plagiari", r"盗版", r"版权",
        ),
    ),
    (
        Hazard.DEFAMATION,
        (
            r"defam", r"slander", r"libel", r"false accus", r"falsely accus", r"诽谤", r"造谣",
        ),
    ),
    (
        Hazard.HATE,
        (
            r"\bracis", r"\bhat(e|red)\b", r"discriminat", r"sexis", r"stereotyp", r"white suprem",
            r"xenophob", r"homophob", r"neo-nazi", r"holocaust", r"genocide", r"ethnic", r"歧视",
            r"种族",
        ),
    ),
    (
        Hazard.PRIVACY,
        (
            r"\bdox", r"stalk", r"\bspy", r"private information", r"personal information",
            r"track .*(location|phone)", r"identity of", r"隐私", r"个人信息", r"跟踪", r"偷窥",
            r"监视",
        ),
    ),
    (
        Hazard.SEXUAL_CONTENT,
        (
            r"porn", r"erotic", r"sexually explicit", r"\bsexual", r"色情", r"淫秽",
        ),
    ),
    (
        Hazard.VIOLENT_CRIMES,
        (
            r"\bkill", r"murder", r"assassin", r"terroris", r"attack on", r"shoot(ing)?\b",
            r"kidnap", r"torture", r"poison", r"violen", r"assault", r"stab", r"mass shooting",
            r"weapons?\b", r"firearm", r"\bguns?\b", r"abuse", r"cannibal", r"behead", r"bully",
            r"杀", r"谋杀", r"绑架", r"恐怖", r"袭击", r"伤害", r"暴力", r"投毒", r"枪",
        ),
    ),
    (
        Hazard.NON_VIOLENT_CRIMES,
        (
            r"hack", r"malware", r"virus", r"phish", r"steal", r"theft", r"fraud", r"scam",
            r"drugs?\b", r"meth\b", r"cocaine", r"launder", r"embezzl", r"forge", r"counterfeit",
            r"fake", r"blackmail", r"extort", r"brib", r"smuggl", r"traffick", r"\brob",
            r"shoplift", r"vandal", r"arson", r"tax", r"insider trading", r"identity", r"illegal",
            r"gambl", r"ransom", r"ddos", r"break into", r"crime", r"cheat", r"manipulat",
            r"exploit", r"黑客", r"病毒", r"诈骗", r"偷", r"毒品", r"洗钱", r"伪造", r"贿赂",
            r"走私", r"赌", r"盗", r"假", r"非法", r"犯罪", r"欺诈", r"勒索",
        ),
    ),
)  # fmt: skip
_PATTERNS = tuple((hazard, re.compile("|".join(signs), re.IGNORECASE)) for hazard, signs in _SIGNS)


def hazard_of_goal(text: str) -> Hazard | None:
    """A guess at the hazard of a harmful request; ``None`` when nothing fits."""
    return next((hazard for hazard, pattern in _PATTERNS if pattern.search(text)), None)
