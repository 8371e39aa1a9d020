# SPDX-License-Identifier: Apache-2.0
"""Whose password is judged next, and for whom there is no room."""

import asyncio

from avatar_web.accounts.hashing import MOST_PER_LANE, MOST_STRANGERS, Lane, Turns


async def queued(turns, *lanes):
    """Let all of these wait behind one; return them in the order in which they had their turn."""
    order, go = [], asyncio.Event()

    async def first():
        async with turns.turn(Lane('first')):
            await go.wait()

    async def take(lane):
        async with turns.turn(lane):
            order.append(lane.name)
            await asyncio.sleep(0)
    tasks = [asyncio.ensure_future(first())]
    await asyncio.sleep(0)
    for lane in lanes:
        tasks.append(asyncio.ensure_future(take(lane)))
        await asyncio.sleep(0)
    go.set()
    await asyncio.gather(*tasks)
    return order


def test_lanes_have_their_turns_one_after_the_other():
    eve, owner = Lane('eve'), Lane('owner')
    order = asyncio.run(queued(Turns(), eve, eve, eve, owner))
    assert order == ['eve', 'owner', 'eve', 'eve']


def test_who_was_here_before_goes_first():
    eve, bob, owner = Lane('eve'), Lane('bob'), Lane('owner', known=True)
    assert asyncio.run(queued(Turns(), eve, bob, owner)) == ['owner', 'eve', 'bob']


def test_room_is_per_lane_and_no_flood_takes_that_of_a_known_browser():
    async def test():
        turns, tasks = Turns(), []

        async def hold(lane):
            async with turns.turn(lane):
                await asyncio.sleep(60)
        eve = Lane('eve')
        for _ in range(MOST_PER_LANE):
            assert turns.room(eve)
            tasks.append(asyncio.ensure_future(hold(eve)))
            await asyncio.sleep(0)
        assert not turns.room(eve) and turns.room(Lane('owner'))
        number = 0
        while turns.room(Lane(str(number))):
            tasks.append(asyncio.ensure_future(hold(Lane(str(number)))))
            await asyncio.sleep(0)
            number += 1
        assert number == MOST_STRANGERS - 1
        assert turns.room(Lane('owner', known=True))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # Nothing of those who gave up is left.
        async with turns.turn(eve):
            assert turns.room(Lane('owner'))
    asyncio.run(test())
