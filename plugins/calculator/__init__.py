"""Calculate with numbers, percentages and units."""

import asyncio
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from plugins.calculator import lexer, units
from plugins.calculator.evaluate import evaluate, needs_units
from plugins.calculator.syntax import parse
from plugins.calculator.tree import AS_PERCENT, Sentence
from plugins.calculator.wording import clock_words, digits_of
from plugins.sdk import Limits, Manifest, Plugin, Result, SideEffect, tool


@tool(command="expression", aliases=("calc",), content=("expression",), direct=True)
async def calculate(
    expression: Annotated[
        str,
        Field(
            description="One expression, for example: (3 + 4) * 2^5, 15% of 80, sqrt(2), "
            "5 km in miles, 72 F to C, 3 GB / 10 Mbit/s",
            min_length=1,
            max_length=lexer.LONGEST,
        ),
    ],
) -> Result:
    """Calculate exactly: arithmetic, powers, percent, functions (sqrt, log, ln, sin, round, ...),
    and convert units. Use it for every calculation. No dates, no currencies.
    """
    text = lexer.tidy(expression)
    sentence = parse(text)
    if needs_units(sentence):
        # The first of them loads the library of units, which takes a third of a second.
        return await asyncio.to_thread(_answer_in_units, text, sentence)
    return _answer(text, sentence)


def _answer_in_units(text: str, sentence: Sentence) -> Result:
    with units.ONE_AT_A_TIME:
        return _answer(text, sentence)


def _answer(text: str, sentence: Sentence) -> Result:
    value = evaluate(sentence)
    if isinstance(value, int | Decimal):
        shown, unit, words = digits_of(value), "%" if sentence.target == AS_PERCENT else "", ""
    else:
        shown = digits_of(value.magnitude)
        unit = f" {value.units:~P}"
        words = "" if sentence.target is not None else clock_words(value)
    content = f"{text} {'=' if shown.exact else '≈'} {shown.digits}{unit}"
    return Result(
        content=f"{content} ({words})" if words else content,
        artifact={"value": shown.digits, "unit": unit.strip(), "exact": shown.exact},
    )


plugin = Plugin(
    manifest=Manifest(
        name="calculator",
        version="0.1.0",
        side_effect=SideEffect.NONE,
        description="Calculates, and converts units.",
        limits=Limits(seconds=5, output_chars=2_000),
    ),
    tools=(calculate,),
)
