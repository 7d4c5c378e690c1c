import asyncio
from typing import Any

from serving.turns import Line, Turns


def test_places_are_taken_in_the_order_of_arrival_and_no_more_than_there_are():
    line = Line(places=2, patience=1)
    running: list[int] = []
    most: list[int] = []
    order: list[int] = []

    async def work(number: int) -> None:
        since = await line.join()
        order.append(number)
        running.append(number)
        most.append(len(running))
        for _ in range(5):
            await asyncio.sleep(0)
        running.remove(number)
        line.leave(since)

    async def main() -> None:
        await asyncio.gather(*(work(number) for number in range(7)))

    asyncio.run(main())
    assert order == list(range(7))
    assert max(most) == 2


def test_what_arrives_while_one_is_answered_is_seen_before_the_next_is_begun():
    line = Line(places=1, patience=1)
    told: list[str] = []

    async def work(name: str) -> None:
        since = await line.join()
        told.append(f"answer {name}")
        if name == "a":
            asyncio.get_running_loop().call_soon(told.append, "arrival")
        line.leave(since)

    async def main() -> None:
        await asyncio.gather(work("a"), work("b"))

    asyncio.run(main())
    assert told == ["answer a", "arrival", "answer b"]


def test_line_is_full_when_the_wait_by_the_times_of_late_is_too_long():
    line = Line(places=1, patience=0.1)
    line.seconds = 0.04

    async def main() -> list[bool]:
        told = [line.is_full()]
        tasks = []
        for _ in range(4):
            tasks.append(asyncio.create_task(line.join()))
            await asyncio.sleep(0)
            told.append(line.is_full())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return told

    assert asyncio.run(main()) == [False, False, False, True, True]


def test_one_is_always_let_in_where_nobody_waits_however_long_it_took_before():
    line = Line(places=1, patience=0.1)
    line.seconds = 60
    assert not line.is_full()


def test_who_hangs_up_while_waiting_or_when_called_leaves_his_place_to_the_next():
    line = Line(places=1, patience=1)

    async def main() -> bool:
        first = await line.join()
        gone = asyncio.create_task(line.join())
        called = asyncio.create_task(line.join())
        last = asyncio.create_task(line.join())
        await asyncio.sleep(0)
        gone.cancel()
        line.leave(first)
        await asyncio.sleep(0)  # the line calls the next one
        called.cancel()  # who has a place by now, and does not know it yet
        await asyncio.wait_for(last, 1)
        return called.cancelled() or called.done()

    assert asyncio.run(main())


def test_only_paths_that_have_a_line_wait_and_a_failure_gives_the_place_back():
    line = Line(places=1, patience=1)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/recommend":
            raise ValueError("broken")

    turns = Turns(app, {"/recommend": line})

    async def main() -> None:
        taken = await line.join()
        await turns({"type": "http", "path": "/livez"}, None, None)  # type: ignore[arg-type]
        line.leave(taken)
        for _ in range(2):
            try:
                await turns({"type": "http", "path": "/recommend"}, None, None)  # type: ignore[arg-type]
            except ValueError:
                continue

    asyncio.run(asyncio.wait_for(main(), 5))


def test_who_is_expected_counts_until_he_has_had_time_to_join():
    line = Line(places=1, patience=0.1)
    line.seconds = 0.04

    async def main() -> tuple[list[bool], bool]:
        at_once = [line.expect() for _ in range(5)]
        await asyncio.sleep(0)
        return at_once, line.is_full()

    assert asyncio.run(main()) == ([True, True, True, False, False], False)
