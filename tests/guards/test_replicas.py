"""Who is asked first, and who is left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guards.replicas import FIRST_REST, LONGEST_REST, Replica, Replicas


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def replicas(count: int, clock: Clock | None = None) -> Replicas[int]:
    return Replicas({f"http://host{i}": i for i in range(count)}, clock=clock or Clock())


def names(order: tuple[Replica[int], ...]) -> list[str]:
    return [replica.name for replica in order]


def test_there_must_be_one() -> None:
    with pytest.raises(ValueError, match="at least one"):
        replicas(0)


@given(affinity=st.text(), count=st.integers(1, 5))
def test_every_server_is_in_the_order_once(affinity: str, count: int) -> None:
    pool = replicas(count)
    order = pool.order(affinity)
    assert sorted(names(order)) == sorted(replica.name for replica in pool.all)
    assert names(pool.order(affinity)) == names(order)


def test_a_server_less_moves_only_its_own_sessions() -> None:
    three, two = replicas(3), replicas(2)
    for number in range(200):
        first = three.order(str(number))[0].name
        if first != "http://host2":
            assert two.order(str(number))[0].name == first


def test_sessions_spread_evenly() -> None:
    pool = replicas(4)
    firsts = [pool.order(str(number))[0].server for number in range(2000)]
    assert all(400 < firsts.count(server) < 600 for server in range(4))


def test_rest_doubles_up_to_a_limit_and_ends_with_a_success() -> None:
    clock = Clock()
    pool = replicas(2, clock)
    first = pool.order("s")[0]
    rests = []
    for _ in range(40):
        pool.failed(first, "broken")
        rests.append(first.rest_until - clock.now)
    assert rests[:3] == [FIRST_REST, FIRST_REST * 2, FIRST_REST * 4]
    assert rests[-1] == LONGEST_REST
    assert pool.order("s")[-1] is first
    pool.succeeded(first)
    assert pool.order("s")[0] is first
    assert (first.failures, first.trouble) == (0, "")


def test_when_all_rest_the_first_to_be_back_is_asked_first() -> None:
    pool = replicas(3)
    for replica, times in zip(pool.all, (3, 1, 2), strict=True):
        for _ in range(times):
            pool.failed(replica, "broken")
    assert [replica.server for replica in pool.order("s")] == [1, 2, 0]


def test_a_busy_server_is_not_in_trouble() -> None:
    clock = Clock()
    pool = replicas(2, clock)
    first = pool.order("s")[0]
    pool.busy(first, 9.0)
    assert pool.order("s")[0] is not first
    assert first.trouble == ""
    clock.now += 9.0
    assert pool.order("s")[0] is first
    pool.busy(first, 1e9)
    assert first.rest_until - clock.now == LONGEST_REST
