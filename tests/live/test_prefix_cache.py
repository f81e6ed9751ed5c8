"""A guard that judges a growing reply pays for what is new, not for what it read before."""

from assistant.engine.client import OpenAIEngine
from tests.live.conversations import answer, asking, user
from tests.live.metrics import Metrics

HITS = "vllm:prefix_cache_hits_total"
QUERIES = "vllm:prefix_cache_queries_total"

TASK = "You check what an assistant says against these rules. " + " ".join(
    f"Rule {number}: nothing of kind {number} may be said to anybody." for number in range(40)
)
REPLY = "The assistant says that bread is made of flour, water, salt and yeast. " * 4


async def test_a_growing_guard_prompt_is_read_from_the_cache(
    engine: OpenAIEngine, metrics: Metrics
) -> None:
    steps = []
    for share in range(1, 6):
        said = REPLY[: len(REPLY) * share // 5]
        hits, queries = await metrics.read(HITS), await metrics.read(QUERIES)
        await answer(engine, asking(user(f"{TASK}\n\nReply so far:\n{said}"), max_tokens=1))
        await metrics.until(QUERIES, queries.__lt__)
        steps.append((await metrics.read(HITS) - hits, await metrics.read(QUERIES) - queries))
    assert steps[0][0] < steps[0][1] / 2, "the first prompt cannot have been read before"
    for hit, queried in steps[1:]:
        assert queried > 500
        assert hit >= 0.7 * queried
