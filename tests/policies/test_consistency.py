"""Every mistake is named with its file, line, column and field."""

from pathlib import Path

import pytest

from guards.hazards import Hazard
from policies.bundle import Policy
from policies.mistakes import PolicyError
from tests.policies.bundles import CASES, EN, HEAD, PHRASES, RESOURCES, Files, clause

FINE = clause(
    "fine",
    """
hazards: [hate]
subjects: [user_input]
thresholds: {general: 0.5}
decision: refuse
""",
)


def mistakes(files: Files, folder: Path) -> list[str]:
    """``line:column field: message`` of each, with the file's name unless it is the policy."""
    path = files.write(folder)
    with pytest.raises(PolicyError) as raised:
        Policy.load(path)
    return [
        str(mistake).replace(f"{folder.as_posix()}/", "").removeprefix("policy.yaml:")
        for mistake in raised.value.mistakes
    ]


def of_clause(folder: Path, body: str) -> list[str]:
    """Mistakes of a clause whose special fields begin on line 14 of the file."""
    bad = clause("bad", body)
    return mistakes(Files([bad], used=list(Hazard)), folder)


def test_the_small_policy_is_fine(tmp_path: Path) -> None:
    policy = Files([FINE], used=[Hazard.HATE]).load(tmp_path)
    assert policy.label == "small@1.0.0"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            """
hazard: [hate]
hazards: [hate]
subjects: [user_input]
thresholds: {general: 0.5}
decision: refuse
""",
            '14:5: clauses[0].hazard: unknown key "hazard"; did you mean "hazards"?',
        ),
        (
            """
hazards: [hate, hat]
subjects: [user_input]
thresholds: {general: 0.5}
decision: refuse
""",
            '14:21: clauses[0].hazards[1]: "hat" is not one of: violent_crimes,',
        ),
        (
            """
hazards: [hate]
subjects: [user]
thresholds: {general: 0.5}
decision: refuse
""",
            '15:16: clauses[0].subjects[0]: "user" is not one of: user_input,',
        ),
        (
            """
hazards: [hate]
subjects: [user_input]
thresholds: {general: 1.5}
decision: refuse
""",
            "16:27: clauses[0].thresholds.general: must be a number above 0 and at most 1,",
        ),
        (
            """
hazards: [hate]
subjects: [user_input]
thresholds: {general: off}
decision: refuse
""",
            '16:27: clauses[0].thresholds.general: must be a number above 0 and at most 1, or "nev',
        ),
        (
            """
hazards: [hate]
subjects: [user_input]
thresholds: {general: 0.5, minors: 0.3}
decision: refuse
""",
            '16:32: clauses[0].thresholds.minors: unknown key "minors"; did you mean "minor"?',
        ),
        (
            """
hazards: [hate]
subjects: [user_input]
thresholds: {minor: 0.5}
decision: refuse
""",
            "16:17: clauses[0].thresholds.general: missing",
        ),
        (
            """
hazards: [hate]
subjects: [user_input]
decision: refuse
""",
            "11:5: clauses[0]: thresholds: missing; hazards and custom need them",
        ),
        (
            """
hazards: [hate]
subjects: [user_input]
thresholds: {general: 0.5}
""",
            "11:5: clauses[0].decision: missing",
        ),
        (
            """
hazards: [hate]
subjects: [user_input]
thresholds: {general: 0.5}
decision: block
""",
            '17:15: clauses[0].decision: "block" is not one of: escalate, refuse, support,',
        ),
        (
            """
hazards: [hate]
subjects: [user_input]
thresholds: {general: 0.5}
decision: refuse
text: refused_rul
""",
            '18:11: clauses[0].text: no text "refused_rul" for locale "en"; did you mean "refused_',
        ),
        (
            """
hazards: [hate]
subjects: [user_input]
thresholds: {general: 0.5}
decision: refuse
guidance: guidance
""",
            "18:5: clauses[0].guidance: belongs to another decision; refuse uses text",
        ),
        (
            """
hazards: [hate]
subjects: [user_input]
thresholds: {general: 0.5}
decision: steer
""",
            "11:5: clauses[0]: guidance: missing; steer needs it",
        ),
        (
            """
hazards: [hate]
subjects: [user_input, reply]
thresholds: {general: 0.5}
decision: steer
guidance: guidance
""",
            "15:28: clauses[0].subjects[1]: steer cannot be done to reply",
        ),
        (
            """
hazards: [hate]
subjects: [image]
thresholds: {general: 0.5}
decision: rewrite
replacement: removed
""",
            "15:16: clauses[0].subjects[0]: rewrite cannot be done to image",
        ),
        (
            """
when: mentions.topic
subjects: [reply]
decision: rewrite
replacement: removed
""",
            "16:15: clauses[0].decision: rewrite needs hazards or custom: a condition finds no",
        ),
        (
            """
subjects: [reply]
decision: refuse
""",
            "11:5: clauses[0]: needs hazards, custom or when: nothing says when it applies",
        ),
        (
            """
when: mentions.topic
thresholds: {general: 0.5}
subjects: [user_input]
decision: refuse
""",
            "15:5: clauses[0].thresholds: has no effect without hazards or custom",
        ),
        (
            """
when: mentions.topik
subjects: [user_input]
decision: refuse
""",
            "14:19: clauses[0].when: undeclared reference to 'mentions.topik'",
        ),
        (
            """
when: "mentions.topik"
subjects: [user_input]
decision: refuse
""",
            "14:20: clauses[0].when: undeclared reference to 'mentions.topik'",
        ),
        (
            """
when: |
  mentions.topic &&
    mentions.topik
subjects: [user_input]
decision: refuse
""",
            "14:11: clauses[0].when: line 2, column 11: undeclared reference to 'mentions.topik'",
        ),
        (
            """
hazards: [hate]
guards: [one]
guard_thresholds: {two: {general: 0.7}}
subjects: [user_input]
thresholds: {general: 0.5}
decision: refuse
""",
            '16:24: clauses[0].guard_thresholds.two: "two" is not among guards',
        ),
        (
            """
hazards: [hate]
subjects: [user_input]
thresholds: {general: 0.5}
decision: refuse
priority: 1001
""",
            "18:15: clauses[0].priority: input should be less than or equal to 1000",
        ),
    ],
)
def test_a_clause(tmp_path: Path, body: str, expected: str) -> None:
    found = [line for line in of_clause(tmp_path, body) if "no clause for hazard" not in line]
    assert len(found) == (2 if "no text" in expected else 1), found
    assert found[0].startswith(expected)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("name: small", "name: Small One", '1:7: name: "Small One" must be lower-case words'),
        ("version: 1.0.0", "version: 1.0", "2:10: version: must be text (put it in quotes)"),
        ("version: 1.0.0", 'version: "1.0"', '2:10: version: "1.0" must be three numbers'),
        ("version: 1.0.0\n", "", "1:1: version: missing"),
        ("en: A small policy, ", "", '3:14: description: no text for locale "en"'),
        ("locales: [en, zh]", "locales: []", "4:10: locales: must not be empty"),
        ("locales: [en, zh]", "locales: [en]", '5:22: texts.zh: "zh" is not one of the locales'),
        ("{en: en.yaml, zh: zh.yaml}", "{en: en.yaml}", '5:8: texts: no text file for locale "zh"'),
        ("zh: zh.yaml", "zh: ../zh.yaml", '5:26: texts.zh: "../zh.yaml" must be a file beside'),
        ("zh: zh.yaml", "zh: no.yaml", "no.yaml:1:1: the file cannot be read: No such file"),
        ("cases:", "drafting: never\ncases:", '8:11: drafting: "never" is not one of: speculative'),
        ("cases:", "retention: no\ncases:", '8:12: retention: "no" is not one of: none, blocked'),
        ("cases:", "reten: all\ncases:", '8:1: reten: unknown key "reten"; did you mean "rete'),
    ],
)
def test_the_head(tmp_path: Path, old: str, new: str, expected: str) -> None:
    files = Files([FINE], used=[Hazard.HATE], head=HEAD.replace(old, new))
    assert any(line.startswith(expected) for line in mistakes(files, tmp_path))


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("en.yaml", EN.replace("refused:", "refusd:"), 'en.yaml:1:1: missing text "refused"'),
        (
            "en.yaml",
            EN.replace("Be careful.", "Be {careful}."),
            "en.yaml:7:11: guidance: unknown placeholder {careful}; known here: {resources}, {tit",
        ),
        (
            "en.yaml",
            EN.replace("Not now.", "Not {title}."),
            "en.yaml:4:14: unavailable: unknown placeholder {title}; known here: {resources}",
        ),
        (
            "en.yaml",
            EN.replace("call {call}", "call"),
            "en.yaml:10:16: resource_call: must hold the placeholder {call}",
        ),
        ("en.yaml", EN.replace("Not now.", "5"), "en.yaml:4:14: unavailable: must be text"),
        (
            "zh.yaml",
            EN + "extra: x\n",
            'en.yaml:1:1: missing text "extra"',
        ),
        (
            "phrases.yaml",
            PHRASES.replace("abortion*", "ab*rtion"),
            'phrases.yaml:2:21: topic.en[1]: "ab*rtion": a star may only stand at the end',
        ),
        (
            "phrases.yaml",
            PHRASES.replace("[死刑]", "死刑"),
            "phrases.yaml:3:7: topic.zh: must be a list",
        ),
        (
            "resources.yaml",
            RESOURCES.replace("{en: Hotline, zh: 热线}", "{en: Hotline}"),
            'resources.yaml:9:16: regions.CN.lines[0].name: no text for locale "zh"',
        ),
        (
            "resources.yaml",
            RESOURCES.replace(', call: "12356"', ""),
            "resources.yaml:9:9: regions.CN.lines[0]: needs at least one of call, text and web",
        ),
        (
            "resources.yaml",
            RESOURCES.replace("zh: CN", "zh: XX"),
            'resources.yaml:10:17: languages.zh: no region "XX" in this file',
        ),
        (
            "resources.yaml",
            RESOURCES.replace('"911"', "911"),
            "resources.yaml:3:16: regions.US.emergency: must be text (put it in quotes)",
        ),
    ],
)
def test_the_other_files(tmp_path: Path, file: str, text: str, expected: str) -> None:
    files = Files([FINE], used=[Hazard.HATE])
    files.other[file] = text
    assert any(line.startswith(expected) for line in mistakes(files, tmp_path))


def test_crisis_lines_in_a_text_need_their_file(tmp_path: Path) -> None:
    head = HEAD.replace("resources: resources.yaml\n", "")
    found = mistakes(Files([FINE], used=[Hazard.HATE], head=head), tmp_path)
    assert found[0].startswith("en.yaml:6:10: support: {resources} needs a file of crisis lines")


def test_ids_are_unique_and_not_reserved(tmp_path: Path) -> None:
    body = "when: mentions.topic\nsubjects: [user_input]\ndecision: refuse"
    clauses = [clause("same", body), clause("same", body), clause("guard-unavailable", body)]
    assert mistakes(Files(clauses), tmp_path) == [
        '18:9: clauses[1].id: "same" is taken by the clause on line 11',
        '25:9: clauses[2].id: "guard-unavailable" is reserved',
    ]


def test_every_hazard_is_ruled_on_or_knowingly_left_out(tmp_path: Path) -> None:
    assert mistakes(Files([FINE], used=[Hazard.HATE, Hazard.SECRETS]), tmp_path) == [
        '10:1: clauses: no clause for hazard "secrets"; add one, or list it in ignored_hazards'
    ]
    found = mistakes(Files([FINE], used=[]), tmp_path)
    assert found[0].endswith('"hate" has a clause')


DEGRADED = """\
degraded:
  - guard: big
    fallback: small
    subjects: [user_input]
    thresholds: {general: 0.5, minor: 0.2}
"""


def test_a_stand_in_must_be_stricter(tmp_path: Path) -> None:
    files = Files([FINE], used=[Hazard.HATE], tail=DEGRADED)
    [mistake] = mistakes(files, tmp_path)
    assert mistake.startswith("14:17: degraded[0].thresholds: must be lower than in clause")
    assert mistake.endswith("for general, adult")


def test_a_guard_cannot_stand_in_for_itself(tmp_path: Path) -> None:
    tail = DEGRADED.replace("fallback: small", "fallback: big").replace("0.5", "0.4")
    files = Files([FINE], used=[Hazard.HATE], tail=tail)
    found = mistakes(files, tmp_path)
    assert found == ["12:15: degraded[0].fallback: a guard cannot stand in for itself"]


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    bad = clause(
        "bad",
        """
hazards: [hate, hat]
subjects: [user_input]
thresholds: {general: 0}
decision: refuse
text: nothing
when: mentions.nothing
colour: red
""",
    )
    files = Files([FINE, bad], used=list(Hazard), head=HEAD.replace("1.0.0", "one"))
    files.other["en.yaml"] = EN.replace("refused:", "refusd:")
    files.other["cases.yaml"] = CASES
    fields = {line.split(": ")[1] for line in mistakes(files, tmp_path)}
    assert {
        "version",
        "clauses[1].hazards[1]",
        "clauses[1].thresholds.general",
        "clauses[1].text",
        "clauses[1].when",
        "clauses[1].colour",
        'missing text "refused"',
    } <= fields


def test_a_file_that_is_a_list(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text("- a\n")
    with pytest.raises(PolicyError, match="must be names with values below them"):
        Policy.load(path)


REPLACES = """
hazards: [personal_data]
subjects: [{subjects}]
thresholds: {{general: 0.5}}
decision: rewrite
replacement: {key}
restore: true
"""


def of_replacement(folder: Path, body: str, text: str) -> list[str]:
    files = Files([clause("bad", body)], used=list(Hazard))
    for name in ("en.yaml", "zh.yaml"):
        files.other[name] += f'numbered: "{text}"\n'
    return [m for m in mistakes(files, folder) if "zh" not in m]


@pytest.mark.parametrize("text", ["{label} {number}", "[{label}]", "[{number}]", "[removed]"])
def test_what_replies_give_back_must_be_found_in_them(tmp_path: Path, text: str) -> None:
    body = REPLACES.format(subjects="user_input", key="numbered")
    [mistake] = [m for m in of_replacement(tmp_path, body, text) if "restore" in m]
    assert "must hold {label} and {number} between brackets" in mistake


def test_a_reply_gives_back_only_what_was_put_in(tmp_path: Path) -> None:
    body = REPLACES.format(subjects="user_input, reply", key="numbered")
    found = of_replacement(tmp_path, body, "[{label}_{number}]")
    assert any("subjects[1]: restore cannot be done to reply" in mistake for mistake in found)


def test_only_rewriting_restores(tmp_path: Path) -> None:
    body = """
hazards: [hate]
subjects: [user_input]
thresholds: {general: 0.5}
decision: refuse
restore: true
"""
    assert any(
        "clauses[0].restore: belongs to another decision; refuse replaces nothing" in mistake
        for mistake in of_clause(tmp_path, body)
    )


def test_a_label_is_a_code_in_capitals(tmp_path: Path) -> None:
    body = """
hazards: [hate]
labels: [email]
subjects: [user_input]
thresholds: {general: 0.5}
decision: refuse
"""
    assert any(
        '"email" must be a label in capitals such as EMAIL' in mistake
        for mistake in of_clause(tmp_path, body)
    )


def test_numbers_stand_only_in_replacements(tmp_path: Path) -> None:
    body = """
hazards: [hate]
subjects: [user_input]
thresholds: {general: 0.5}
decision: refuse
text: numbered
"""
    found = of_replacement(tmp_path, body, "No {number}")
    assert any("unknown placeholder {number}" in mistake for mistake in found)
