# SPDX-License-Identifier: Apache-2.0
"""Who may still connect, and who makes room."""

from avatar_web.accounts.identity import Identity, Role
from avatar_web.clients.places import MAX_PER_SESSION, MAX_PER_USER, Place, Room, room_for


def place(number, role=Role.VIEWER, session='', drives=False, name='n'):
    return Place(number, Identity(name, role, session or f's{number}'), drives)


def test_there_is_room_until_all_places_are_taken():
    new = Identity('n', Role.VIEWER, 'new')
    assert room_for(new, [], 2) == room_for(new, [place(1)], 2) == Room(True)
    full = room_for(new, [place(1), place(2)], 2)
    assert not full.allowed
    assert '2 clients' in full.why


def test_a_driver_takes_the_place_of_the_oldest_viewer_but_of_no_driver():
    driver = Identity('n', Role.DRIVER, 'new')
    places = [place(1, Role.DRIVER), place(2), place(3)]
    assert room_for(driver, places, 3).goes == 2
    assert not room_for(driver, [place(1, Role.DRIVER), place(2, Role.ADMIN)], 2).allowed


def test_who_drives_never_makes_room():
    admin = Identity('n', Role.ADMIN, 'new')
    places = [place(1, Role.DRIVER, drives=True), place(2, Role.DRIVER)]
    assert room_for(admin, places, 2).goes == 2
    assert not room_for(admin, places[:1], 1).allowed
    mine = Identity('n', Role.DRIVER, 'mine')
    many = [place(0, Role.DRIVER, 'mine', drives=True)]
    many += [place(i, Role.DRIVER, 'mine') for i in range(1, MAX_PER_SESSION + 1)]
    assert room_for(mine, many, 99).goes == 1


def test_a_session_replaces_its_own():
    mine = Identity('n', Role.VIEWER, 'mine')
    many = [place(i, session='mine') for i in range(MAX_PER_SESSION)]
    assert room_for(mine, many[1:], 99) == Room(True)
    assert room_for(mine, many, 99).goes == 0
    # Also where all places are taken: it takes none more.
    assert room_for(mine, many, MAX_PER_SESSION).goes == 0


def test_a_user_has_so_many_places_whatever_the_sessions():
    mine = Identity('n', Role.DRIVER, 'new')
    many = [place(i, Role.DRIVER) for i in range(MAX_PER_USER)]
    assert room_for(mine, many[1:], 99) == Room(True)
    assert room_for(mine, many, 99).goes == 0
    assert room_for(Identity('other', Role.DRIVER, 'new'), many, 99) == Room(True)


def test_who_has_most_places_makes_room_for_another_of_the_same_role():
    new = Identity('owner', Role.VIEWER, 'new')
    places = [place(0, name='eve'), place(1), place(2), place(3)]
    assert room_for(new, places, 4).goes == 1
    # To and fro between two who have one each, or by one who has more, it does not go.
    assert not room_for(new, [place(0, name='eve'), place(1)], 2).allowed
    assert not room_for(new, [place(0, name='owner'), place(1), place(2)], 3).allowed
    # A driver never makes room for a viewer.
    assert not room_for(new, [place(i, Role.DRIVER) for i in range(4)], 4).allowed
