from components.contest.page import render_page


def test_page_leads_with_the_best_and_shows_all(make_contest):
    html = render_page(make_contest(mean=0.8, hybrid=0.2, biases=0.4))
    assert "Hybrid with images is closest to the true ratings: off by 0.20 points" in html
    assert "Against the next best, user and item averages, the first is" in html
    assert '<strong class="better">better</strong>' in html
    for name in ("One number for all", "Known user, known item", "17.4 MB", "± 0.0"):
        assert name in html


def test_page_of_a_single_family_names_no_rival(make_contest):
    html = render_page(make_contest(biases=0.4))
    assert "Against the next best" not in html
    assert "User and item averages" in html


def test_same_comparison_gives_the_same_bytes(make_contest):
    assert render_page(make_contest(mean=0.8, mf=0.4)) == render_page(
        make_contest(mean=0.8, mf=0.4)
    )


def test_names_from_the_data_are_no_markup(make_contest):
    html = render_page(make_contest(biases=0.4))
    assert "&lt;b&gt;" in html
