import numpy as np
import pytest

from predictor.policy.budgets import (
    OperatingTable,
    choose,
    lambda_path,
    operating_table,
    solve_lambdas,
)

COSTS = np.array([1.0, 9.0, 36.0])


@pytest.fixture
def table():
    return OperatingTable((0.5, 0.1, 0.0), (1.0, 5.0, 20.0), (0.4, 0.6, 0.9))


@pytest.fixture
def calibration():
    rng = np.random.default_rng(0)
    return np.sort(rng.random((400, 3)), axis=1)


def test_choose_takes_the_best_probability_less_its_price():
    # Utilities at lambda 0.02: row 0 gives .18 .32 -.02, row 1 gives .08 .02 .18.
    probabilities = np.array([[0.2, 0.5, 0.7], [0.1, 0.2, 0.9]])
    assert choose(probabilities, COSTS, 0.02).tolist() == [1, 2]
    assert choose(probabilities, COSTS, 0.0).tolist() == [2, 2]
    assert choose(probabilities, COSTS, 1.0).tolist() == [0, 0]


def test_choose_breaks_ties_towards_the_cheaper():
    same = np.full((1, 3), 0.6)
    assert choose(same, COSTS, 0.0).tolist() == [0]
    assert choose(same, COSTS[::-1], 0.0).tolist() == [2]
    # 0.3 - 0.1 * 1 equals 0.5 - 0.1 * 3 but for rounding.
    assert choose(np.array([[0.5, 0.3]]), np.array([3.0, 1.0]), 0.1).tolist() == [1]


def test_choose_takes_costs_per_row():
    probabilities = np.array([[0.5, 0.6], [0.5, 0.6]])
    costs = np.array([[1.0, 2.0], [1.0, 50.0]])
    assert choose(probabilities, costs, 0.05).tolist() == [1, 0]


@pytest.mark.parametrize("lam", [-0.1, np.nan, np.inf, 10**400])
def test_choose_refuses_an_impossible_lambda(lam):
    with pytest.raises(ValueError, match="lambda must be a number from 0"):
        choose(np.ones((1, 3)), COSTS, lam)


def test_shapes_that_disagree_are_named():
    with pytest.raises(ValueError, match=r"costs must be \[s\] or \[n, s\]"):
        choose(np.ones((2, 2)), COSTS, 0.0)
    with pytest.raises(ValueError, match=r"probabilities must be \[n, s\]"):
        choose(np.ones(3), COSTS, 0.0)


def test_a_solved_lambda_spends_the_budget_where_it_pays_most():
    # Going from 1 to 9 tokens gains .8, .4 and 0: worth .1, .05 and 0 a token.
    probabilities = np.array([[0.1, 0.9], [0.1, 0.5], [0.3, 0.3]])
    costs = np.array([1.0, 9.0])
    [one_upgrade] = solve_lambdas(probabilities, costs, [(9 + 1 + 1) / 3])
    assert 0.05 < one_upgrade < 0.1
    assert choose(probabilities, costs, one_upgrade).tolist() == [1, 0, 0]
    assert solve_lambdas(probabilities, costs, [(9 + 9 + 1) / 3]) == [0.0]
    [least] = solve_lambdas(probabilities, costs, [1.0])
    assert choose(probabilities, costs, least).tolist() == [0] * 3


def test_a_solved_lambda_skips_a_scale_below_the_hull():
    # The middle scale is worse than mixing its neighbours, so no lambda chooses it.
    probabilities = np.array([[0.1, 0.2, 0.9]])
    costs = np.array([1.0, 5.0, 6.0])
    picks = [choose(probabilities, costs, lam)[0] for lam in lambda_path(probabilities, costs)]
    assert picks == [0, 2]


def test_a_solved_lambda_takes_equal_rows_together():
    probabilities = np.tile([0.1, 0.9], (4, 1))
    costs = np.array([1.0, 9.0])
    [lam] = solve_lambdas(probabilities, costs, [8.9])
    assert choose(probabilities, costs, lam).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("budget", [1.0, 4.0, 10.0, 20.0, 36.0])
def test_a_solved_lambda_is_the_best_lambda_within_budget(calibration, budget):
    [lam] = solve_lambdas(calibration, COSTS, [budget])
    assert COSTS[choose(calibration, COSTS, lam)].mean() <= budget + 1e-9
    if lam > 0:
        # The next behaviour on the path is over budget, so nothing affordable was left out.
        path = lambda_path(calibration, COSTS, max_points=10**6)
        following = path[path < lam * (1 - 1e-12)][0]
        assert COSTS[choose(calibration, COSTS, following)].mean() > budget


def test_a_solved_lambda_refuses_what_no_scale_can_meet(calibration):
    with pytest.raises(ValueError, match="budget 0.5 is below the cheapest possible mean cost 1"):
        solve_lambdas(calibration, COSTS, [0.5])


def test_lambda_path_runs_from_all_cheapest_to_free(calibration):
    path = lambda_path(calibration, COSTS, max_points=25)
    costs = [COSTS[choose(calibration, COSTS, lam)].mean() for lam in path]
    assert len(path) <= 25
    assert path[-1] == 0.0
    assert costs[0] == 1.0
    assert costs == sorted(costs)
    assert np.all(np.diff(path) < 0)


def test_lambda_path_of_a_flat_ladder_is_one_point():
    assert lambda_path(np.full((5, 3), 0.5), COSTS).tolist() == [0.0]


def test_lambda_path_needs_two_points(calibration):
    with pytest.raises(ValueError, match="max_points must be at least 2, got 1"):
        lambda_path(calibration, COSTS, max_points=1)


def test_operating_table_records_cost_and_accuracy():
    probabilities = np.array([[0.1, 0.9], [0.1, 0.5]])
    scores = np.array([[0.0, 1.0], [1.0, 0.0]])
    table = operating_table(probabilities, np.array([1.0, 9.0]), scores)
    # First nobody is upgraded, then row 0 alone, then both.
    assert table.costs == (1.0, 5.0, 9.0)
    assert table.accuracies == (0.5, 1.0, 0.5)
    assert table.lambdas[-1] == 0.0
    assert table.shares == ((1.0, 0.0), (0.5, 0.5), (0.0, 1.0))
    assert table.shares_at(table.lambdas[1]) == table.shares_at(0.99 * table.lambdas[1])
    assert table.shares_at(table.lambdas[1]) == (0.5, 0.5)
    assert OperatingTable.from_dict(table.to_dict()) == table


def test_an_old_table_knows_no_shares(table):
    record = {name: value for name, value in table.to_dict().items() if name != "shares"}
    assert OperatingTable.from_dict(record).shares_at(0.1) == ()


def test_operating_table_needs_scores_of_the_same_shape():
    with pytest.raises(ValueError, match="scores must have shape"):
        operating_table(np.ones((2, 3)), COSTS, np.ones((2, 2)))


@pytest.mark.parametrize(("budget", "lam"), [(1, 0.5), (4.9, 0.5), (5, 0.1), (20, 0.0), (576, 0.0)])
def test_table_turns_a_budget_into_lambda(table, budget, lam):
    assert table.lambda_for_budget(budget) == lam


def test_table_refuses_too_small_a_budget(table):
    with pytest.raises(ValueError, match="budget 0.9 is below the cheapest possible mean cost 1"):
        table.lambda_for_budget(0.9)


@pytest.mark.parametrize("budget", [np.nan, np.inf, -np.inf, 1e308, 10**400, -(10**400)])
def test_table_refuses_a_budget_that_is_no_number_to_reckon_with(table, budget):
    with pytest.raises(ValueError, match=r"a budget must be a number from 0 to 1e\+300, got"):
        table.lambda_for_budget(budget)


def test_table_survives_json(table):
    assert OperatingTable.from_dict(table.to_dict()) == table


@pytest.mark.parametrize("record", [{}, {"lambdas": 1, "costs": 1, "accuracies": 1, "unit": ""}])
def test_table_refuses_another_record(record):
    with pytest.raises(ValueError, match="an operating table cannot be used"):
        OperatingTable.from_dict(record)


@pytest.mark.parametrize("columns", [((), (), ()), ((1.0, 0.0), (1.0,), (1.0, 1.0))])
def test_table_columns_must_be_of_one_length(columns):
    with pytest.raises(ValueError, match="must be of one length"):
        OperatingTable(*columns)


def test_table_shares_are_one_row_for_each_lambda():
    with pytest.raises(ValueError, match="shares must be one row for each lambda"):
        OperatingTable((0.0,), (1.0,), (0.5,), shares=((1.0,), (1.0,)))


def test_table_lambdas_must_fall():
    with pytest.raises(ValueError, match="lambdas must fall"):
        OperatingTable((0.0, 1.0), (1.0, 2.0), (0.5, 0.5))


def test_the_cheapest_lambda_within_a_drop():
    table = OperatingTable((0.5, 0.1, 0.0), (1.0, 5.0, 20.0), (0.4, 0.88, 0.9), "t", 0.9, 100)
    assert table.lambda_for_drop(0.03) == 0.1
    assert table.lambda_for_drop(0.01) == 0.0
    assert table.lambda_for_drop(0.6) == 0.5
    above = OperatingTable((0.5,), (1.0,), (0.4,), "t", 0.9, 100)
    assert above.lambda_for_drop(0.1) is None


def test_a_drop_that_the_split_cannot_tell_from_none_is_refused():
    table = OperatingTable((0.0,), (1.0,), (0.9,), "t", 0.9, 100)
    with pytest.raises(ValueError, match="needs at least 200 calibration questions, got 100"):
        table.lambda_for_drop(0.005)
    with pytest.raises(ValueError, match="needs at least inf calibration questions, got 100"):
        table.lambda_for_drop(5e-324)
    with pytest.raises(ValueError, match="a drop must lie strictly between 0 and 1, got 1"):
        table.lambda_for_drop(1.0)
    with pytest.raises(ValueError, match="does not know the largest scale's accuracy"):
        OperatingTable((0.0,), (1.0,), (0.9,)).lambda_for_drop(0.1)
