# SPDX-License-Identifier: Apache-2.0
"""Who makes room at a door that is full."""

from avatar_web.door.crowd import Crowd, Guest


def crowd_of(most, per_address, *addresses):
    crowd, guests = Crowd(most, per_address), [Guest(address) for address in addresses]
    assert all(crowd.enter(guest) == (True, None) for guest in guests)
    return crowd, guests


def test_there_is_room_until_it_is_full_and_after_somebody_left():
    crowd, (first, *_) = crowd_of(3, 9, 'a', 'b', 'c')
    assert len(crowd) == 3
    crowd.leave(first)
    crowd.leave(first)
    assert crowd.enter(Guest('d')) == (True, None) and len(crowd) == 3


def test_an_address_that_is_full_loses_its_own_oldest():
    crowd, guests = crowd_of(9, 2, 'b', 'a', 'a')
    assert crowd.enter(Guest('a')) == (True, guests[1]) and len(crowd) == 3


def test_where_all_is_full_the_address_with_most_loses_one():
    crowd, guests = crowd_of(4, 9, 'a', 'b', 'b', 'b')
    owner = Guest('owner')
    assert crowd.enter(owner) == (True, guests[1])
    # However many come after: who came from one address does not lose his place to them.
    for _ in range(100):
        assert crowd.enter(Guest('b'))[1] not in (owner, guests[0])


def test_who_is_answered_goes_after_the_idle_and_who_is_let_in_never():
    crowd, (driver, busy, idle) = crowd_of(3, 3, 'a', 'a', 'a')
    driver.stays, busy.busy = True, 1
    late = Guest('a')
    assert crowd.enter(late) == (True, idle)
    late.busy = 1
    assert crowd.enter(Guest('a')) == (True, busy)
    crowd, guests = crowd_of(2, 9, 'a', 'b')
    for guest in guests:
        guest.stays = True
    assert crowd.enter(Guest('c')) == (False, None) and len(crowd) == 2
