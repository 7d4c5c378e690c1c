from components.housekeeping.plan import Kind, Piece, Plan, choose_versions


def test_what_is_needed_stays_and_so_do_the_newest_each_with_its_reasons():
    kept = choose_versions(range(1, 8), {2: ["champion"], 6: ["awaiting review"]}, 2)
    assert kept == {
        7: ("among the newest 2",),
        6: ("awaiting review", "among the newest 2"),
        2: ("champion",),
    }
    assert list(kept) == [7, 6, 2]


def test_one_newest_is_called_so_and_fewer_versions_than_wanted_all_stay():
    assert choose_versions([3, 1], {}, 1) == {3: ("the newest",)}
    assert list(choose_versions([3, 1], {}, 5)) == [3, 1]
    assert choose_versions([], {}, 5) == {}


def test_pieces_are_told_by_kind_and_together():
    pieces = (Piece("Bentos", "1", 10), Piece("Bentos", "3", 20), Piece("old checkpoints", "a", 5))
    plan = Plan({2: ("champion",)}, pieces)
    assert plan.size == 35
    assert plan.kinds == (Kind("Bentos", 2, 30), Kind("old checkpoints", 1, 5))
    assert plan.to_json()["kept"] == {"2": ["champion"]}
    assert plan.to_json()["pieces"][0] == {"kind": "Bentos", "name": "1", "bytes": 10}
