"""Code is found wherever a reply can put it, and offsets lead back into the reply."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guards.insecure_code.arguments import find_code_arguments
from guards.insecure_code.blocks import CodeBlock, find_blocks
from guards.insecure_code.languages import Language, detect_language, language_named

MARKDOWN = st.text(st.sampled_from("`~ \n\t>-*1.)abpy(=\\\"'{}$#\ud800\U0001f600"), max_size=120)


def leads_back(text: str, block: CodeBlock) -> bool:
    return all(text[block.origin.place(i)] == char for i, char in enumerate(block.code))


def only(text: str) -> CodeBlock:
    (block,) = find_blocks(text)
    assert leads_back(text, block)
    return block


def test_a_fence_names_its_language() -> None:
    block = only("Look:\n\n```python title=x\nprint(1)\n```\nDone.")
    assert (block.code, block.language, block.closed) == ("print(1)\n", Language.PYTHON, True)


def test_an_open_fence_is_a_block_that_is_not_closed() -> None:
    block = only("~~~js\nlet a = 1\nlet b")
    assert (block.code, block.closed) == ("let a = 1\nlet b", False)


@pytest.mark.parametrize(
    "text",
    [
        "1. Do:\n   ```sh\n   ls\n   ```\n",
        "> ```sh\n> ls\n> ```\n",
        "- ```sh\n  ls\n  ```\n",
        "````sh\nls\n````",
        "\t```sh\n\tls\n\t```",
        "```console\n$ ls\n```",
    ],
)
def test_what_a_fence_stands_in_is_taken_off(text: str) -> None:
    block = only(text)
    assert (block.code.strip(), block.language, block.closed) == ("ls", Language.SHELL, True)


def test_a_shorter_fence_or_another_one_closes_nothing() -> None:
    block = only("````md\n```python\nx\n```\n~~~\n````")
    assert block.code == "```python\nx\n```\n~~~\n"


def test_two_blocks_with_different_languages() -> None:
    text = "```go\na := 1\n```\ntext\n```\nSELECT a FROM b WHERE c = 1\n```"
    first, second = find_blocks(text)
    assert (first.language, second.language) == (Language.GO, Language.SQL)


def test_inline_code_and_prose_are_no_blocks() -> None:
    assert find_blocks("Use ```print(1)``` here.\nAnd that is all there is to say.") == []
    assert find_blocks("Dear Ada,\n\nThank you for your letter.\nIt was a joy.\n\nYours, B.") == []


def test_a_reply_that_is_all_code_is_one_block() -> None:
    text = "import os\n\ndef run(name):\n    os.system('ls ' + name)\n    return None\n"
    assert only(text).language is Language.PYTHON


@given(MARKDOWN)
def test_every_block_leads_back_into_its_text(text: str) -> None:
    for block in find_blocks(text):
        assert leads_back(text, block)


@given(MARKDOWN, st.integers(0, 120))
def test_blocks_of_a_growing_reply_only_grow(text: str, cut: int) -> None:
    if "```" not in text[:cut] and "~~~" not in text[:cut]:
        return
    before = [block for block in find_blocks(text[:cut]) if block.closed]
    after = find_blocks(text)
    # The last line may not be complete, and only a fence's line can turn into something else.
    for old, new in zip(before[:-1], after, strict=False):
        assert (old.code, old.closed) == (new.code, new.closed)


@pytest.mark.parametrize("unit", ["`", "~", "```\n", ">", "- ", "a", "\n", " ", '\\"', '"', "[("])
def test_a_megabyte_of_one_thing_takes_no_time(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    start = time.thread_time()
    find_blocks(text)
    find_code_arguments('{"code": "' + text)
    assert time.thread_time() - start < 60


ARGUMENTS = '{"language": "python", "code": "import os\\nos.system(\\"ls \\" + \\u0061)\\n"}'


def test_a_string_of_arguments_is_code_by_its_key() -> None:
    (block,) = find_code_arguments(ARGUMENTS)
    assert block.language is Language.PYTHON
    assert block.code == 'import os\nos.system("ls " + a)\n'
    assert ARGUMENTS[block.origin.place(0)] == "i"
    assert ARGUMENTS[block.origin.place(block.code.index("a)"))] == "\\"
    assert ARGUMENTS[block.origin.place(block.code.index(")\n"))] == ")"


@pytest.mark.parametrize(
    ("arguments", "language"),
    [
        ('{"sql": "SELECT 1"}', Language.SQL),
        ('{"command": "ls"}', Language.SHELL),
        ('{"python": "x"}', Language.PYTHON),
        ('{"cmd": "import os\\nimport sys\\nprint(os, sys)\\n"}', Language.PYTHON),
        ('{"note": "```js\\neval(x)\\n```"}', Language.JAVASCRIPT),
        ('{"sql": "SELECT 1', Language.SQL),
    ],
)
def test_keys_name_languages(arguments: str, language: Language) -> None:
    (block,) = find_code_arguments(arguments)
    assert (block.language, block.closed) == (language, True)


def test_ordinary_arguments_are_no_code() -> None:
    assert find_code_arguments('{"to": "ada@example.org", "text": "See you at 5, then."}') == []


def test_fences_inside_arguments_lead_back_into_the_json() -> None:
    arguments = '{"body": "See:\\n```python\\nprint(\\"a\\")\\n```"}'
    (block,) = find_code_arguments(arguments)
    place = block.origin.place(block.code.index("print"))
    assert arguments[place : place + 6] == "print("


@given(st.text(max_size=80))
def test_any_arguments_are_taken(arguments: str) -> None:
    for block in find_code_arguments(arguments):
        for offset in range(len(block.code)):
            assert 0 <= block.origin.place(offset) < len(arguments)


def test_names_of_languages() -> None:
    assert language_named("C++") is Language.CPP
    assert language_named("ts") is Language.TYPESCRIPT
    assert language_named("prolog") is None


@pytest.mark.parametrize(
    ("code", "language"),
    [
        ("#include <stdio.h>\nint main(void) { return 0; }", Language.C),
        ("std::vector<int> v;\nstd::cout << v.size();", Language.CPP),
        ("using System;\nclass A { public int X { get; set; } }", Language.CSHARP),
        ("package main\nfunc main() { fmt.Println(1) }", Language.GO),
        ("const a = require('fs');\nconsole.log(a);", Language.JAVASCRIPT),
        ("let a: string = 'x';\ninterface B { c: number }", Language.TYPESCRIPT),
        ("import java.util.List;\npublic class A { }", Language.JAVA),
        ("<?php echo $_GET['a'];", Language.PHP),
        ("def a\n  puts 'x'\nend", Language.RUBY),
        ("fn main() {\n    let mut a = 1;\n}", Language.RUST),
        ("#!/bin/bash\necho $1", Language.SHELL),
        ("INSERT INTO a VALUES (1);", Language.SQL),
        ("one two three", None),
    ],
)
def test_languages_are_told_apart_by_content(code: str, language: Language | None) -> None:
    assert detect_language(code, bare=False) is language
