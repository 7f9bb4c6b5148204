import pytest
import torch

from m3_backbone.inference import engine
from m3_backbone.inference.batching import (
    LONGEST_PACK,
    Row,
    count_tokens,
    fill_batches,
    plan_rows,
    sharing_pays,
)
from m3_backbone.inference.execution import MemoryLimit
from m3_backbone.inference.prompts import TokenizedPrompt
from m3_backbone.inference.sampling import Sampling

QUESTIONS = ["red cat?", "blue?", "red red dog?", "what?"]


def ask(*lengths):
    """Prompts of two tokens before the image and so many behind it."""
    return [TokenizedPrompt((1, 5), tuple(range(6, 6 + length))) for length in lengths]


def test_questions_of_an_image_share_a_row_and_one_alone_has_its_own():
    # Answers of two tokens: 2 + 9 + (3 + 2) + (4 + 2), and 2 + 4 + 5 + 2.
    assert plan_rows([ask(3, 4), ask(5), []], [9, 4, 9], 2, 99, sharing_pays) == [
        Row(0, (0, 1), True, 9, 22),
        Row(1, (0,), False, 4, 13),
    ]


def test_long_beginnings_are_read_by_themselves_if_all_are_equally_long():
    assert plan_rows([ask(3), ask(4)], [576, 576], 2, 9999, sharing_pays)[0].packed
    assert not plan_rows([ask(3), ask(4)], [576, 600], 2, 9999, sharing_pays)[0].packed
    assert plan_rows([ask(3, 3), ask(4)], [36, 36], 2, 9999, sharing_pays)[0].packed
    assert not plan_rows([ask(3, 3), ask(4)], [36, 36], 2, 9999, sharing_pays)[1].packed


def test_a_row_ends_where_the_budget_does():
    # The beginning takes 11; two questions of 3 + 2 tokens fill the rest of 21.
    rows = plan_rows([ask(3, 3, 3)], [9], 2, 21, sharing_pays)
    assert [(row.places, row.size) for row in rows] == [((0, 1), 21), ((2,), 16)]
    # A question that is too long by itself is read all the same.
    assert [row.places for row in plan_rows([ask(3, 3)], [9], 2, 1, sharing_pays)] == [(0,), (1,)]
    long = plan_rows([ask(LONGEST_PACK // 2, LONGEST_PACK // 2)], [9], 2, 10**6, sharing_pays)
    assert len(long) == 2


def test_batches_are_filled_by_tokens_and_hold_rows_of_a_kind():
    rows = [
        Row(0, (0,), False, 9, 20),
        Row(1, (0,), False, 4, 10),
        Row(2, (0, 1), True, 9, 40),
        Row(3, (0, 1), True, 4, 30),
        Row(4, (0,), False, 9, 21),
    ]
    # Packed rows wait for rows with as many visual tokens; 2 x 20 are within 45, 3 x 21 are not.
    assert list(fill_batches(rows, 45)) == [[rows[1], rows[0]], [rows[4]], [rows[3]], [rows[2]]]
    assert [len(batch) for batch in fill_batches(rows, 1)] == [1] * 5
    assert count_tokens([rows[0], rows[4]]) == 42
    assert list(fill_batches([], 9)) == []


def make_work(room, tried):
    def work(batch):
        tried.append(len(batch))
        if sum(batch) > room:
            raise torch.OutOfMemoryError("no room")
        return [10 * item for item in batch]

    return work


def test_a_batch_that_memory_cannot_hold_is_halved_for_good(caplog):
    memory, tried = MemoryLimit(), []
    work = make_work(3, tried)
    assert memory.run([1] * 8, sum, work) == [10] * 8
    assert tried == [8, 4, 2, 2, 2, 2]
    assert memory.most == 2
    assert "out of memory at a batch of size 8" in caplog.text
    tried.clear()
    assert memory.run([1] * 5, sum, work) == [10] * 5
    assert tried == [2, 1, 2]


def test_one_item_that_memory_cannot_hold_is_an_error():
    with pytest.raises(ValueError, match=r"does not hold a batch of one \(size 7\).*no room"):
        MemoryLimit().run([1, 7], sum, make_work(3, []))


@pytest.fixture
def fresh(build_model, build_backbone):
    """A backbone that knows nothing yet of the memory there is."""
    return build_backbone(build_model())


def read(grouped):
    return [[answer.token_ids for answer in group] for group in grouped]


def test_the_budget_shapes_the_batches_and_not_the_answers(fresh, images):
    pyramids, groups = fresh.encode(images), [QUESTIONS, QUESTIONS[1:3], QUESTIONS[:1]]
    wide = fresh.answer_images(pyramids, groups, 9, sampling=Sampling(4))
    narrow = fresh.answer_images(pyramids, groups, 9, sampling=Sampling(4), token_budget=1)
    assert read(wide) == read(narrow)
    # Four and two questions behind one image each; the third image has a row of its own.
    assert [group[0].batch_size for group in wide] == [6, 6, 1]
    assert [group[0].batch_shape.split("x")[:2] for group in wide] == [["2", "4"]] * 2 + [
        ["1", "1"]
    ]
    assert all(answer.batch_size == 1 for group in narrow for answer in group)
    with pytest.raises(ValueError, match="token_budget must be a whole number of at least 1"):
        fresh.answer_images(pyramids, groups, 9, token_budget=0)


@pytest.mark.parametrize("n_questions", [1, 3])
def test_out_of_memory_halves_the_batch_and_changes_no_answer(
    fresh, images, monkeypatch, n_questions
):
    pyramids, groups = fresh.encode(images), [QUESTIONS[:n_questions]] * 3
    expected = fresh.answer_images(pyramids, groups, 36, sampling=Sampling(3))
    for name in ("prefill_packed", "prefill_padded"):
        monkeypatch.setattr(engine, name, refuse_two_rows(getattr(engine, name)))
    actual = fresh.answer_images(pyramids, groups, 36, sampling=Sampling(3))
    assert read(actual) == read(expected)
    assert {answer.batch_size for group in actual for answer in group} == {n_questions}


def test_out_of_memory_halves_answers_of_mixed_scales_too(fresh, images, monkeypatch):
    asked = (fresh.encode(images) * 2, QUESTIONS[:3] * 2, [9, 9, 36, 36, 9, 36])
    expected = fresh.generate(*asked, max_new_tokens=3)
    monkeypatch.setattr(engine, "prefill_padded", refuse_two_rows(engine.prefill_padded))
    actual = fresh.generate(*asked, max_new_tokens=3)
    assert read([actual]) == read([expected])
    assert {answer.batch_size for answer in actual} == {1}


def refuse_two_rows(prefill):
    def refuse(model, host, ids, features, *rest):
        if len(features) > 1:  # the visual tokens of each row
            raise torch.OutOfMemoryError("no room")
        return prefill(model, host, ids, features, *rest)

    return refuse


def test_out_of_memory_in_the_tower_halves_the_images(fresh, images):
    expected = fresh.encode(images)
    sizes = []

    def refuse(module, args):
        sizes.append(len(args[0]))
        if len(args[0]) > 1:
            raise torch.OutOfMemoryError("no room")

    hook = fresh.model.model.vision_tower.register_forward_pre_hook(refuse)
    try:
        actual = fresh.encode([fresh.prepare(image) for image in images])
    finally:
        hook.remove()
    assert sizes == [3, 1, 1, 1]  # two are known not to fit
    for one, other in zip(actual, expected, strict=True):
        torch.testing.assert_close(one[576], other[576], atol=1e-4, rtol=1e-5)


def test_closing_words_cut_answers_short_and_change_no_first_token(fresh, images):
    pyramids, groups = fresh.encode(images), [QUESTIONS, QUESTIONS[:1], QUESTIONS[1:3]]
    whole = fresh.answer_images(pyramids, groups, 9, sampling=Sampling(4))
    # Words of one token each that some answers begin with; the random model says anything.
    first_words = {answer.text.split()[0] for group in whole for answer in group if answer.text}
    closing = [[sorted(first_words)] * len(group) for group in groups]
    short = fresh.answer_images(pyramids, groups, 9, sampling=Sampling(4), closing=closing)
    for one, other in zip(sum(short, []), sum(whole, []), strict=True):
        assert one.token_ids == other.token_ids[: one.output_tokens]
        assert one.first_margin == pytest.approx(other.first_margin, abs=1e-4)
    assert 1 in {answer.output_tokens for group in short for answer in group}
    # Several tokens, or none that is known, never close an answer.
    open_words = [[["red cat"]] * len(group) for group in groups]
    same = fresh.answer_images(pyramids, groups, 9, sampling=Sampling(4), closing=open_words)
    assert read(same) == read(whole)
