from predictor.policy.shares import pick_headline, read_budgets, share_budgets


def test_the_headline_is_an_eighth_of_the_largest_cost():
    assert pick_headline(share_budgets(1, 576)) == 72
    assert pick_headline(share_budgets(1, 2880)) == 360
    assert pick_headline(share_budgets(144, 144)) == 144


def test_a_routers_budgets_are_those_that_it_names_or_those_of_its_ladder():
    scales = (1, 9, 36, 144, 576)
    assert read_budgets({"budgets": [5.0, 10.0, 20.0]}, [1.0, 576.0], scales) == (5, 10, 20)
    for older in ({}, {"budgets": []}):
        # The dearest operating point costs less than always the largest scale, or crops cost more.
        assert read_budgets(older, [99.0, 9.5, 1.0], scales) == (36, 72, 144)
        assert read_budgets(older, [2880.0, 5.0], scales) == (180, 360, 720)
