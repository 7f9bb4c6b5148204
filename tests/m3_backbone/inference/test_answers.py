import torch

from m3_backbone.inference.answers import BatchFacts, build_answer
from m3_backbone.inference.decoding import DecodeOutput
from m3_backbone.inference.prompts import TokenizedPrompt


def test_answers_carry_text_counts_and_means(tokenizer):
    red, cat, end = tokenizer.convert_tokens_to_ids(["red", "cat", "</s>"])
    output = DecodeOutput(
        token_ids=torch.tensor([[[red, cat, end], [cat, 0, 0]]]),
        lengths=torch.tensor([[3, 1]]),
        logprob=torch.tensor([[-1.5, -0.25]]),
        margin=torch.tensor([[0.5, 2.0]]),
        stopped=torch.tensor([[True, False]]),
    )
    prompts = [TokenizedPrompt((1, 5), (6, 7, 8)), TokenizedPrompt((1, 5), (9,))]
    facts = BatchFacts(wall_ms=12.5, size=2, shape=(1, 2, 14))
    [row] = output.split()
    first, second = (
        build_answer(said, prompt, 9, 9, facts, tokenizer)
        for said, prompt in zip(row, prompts, strict=True)
    )
    assert first.text == "red cat"
    assert first.token_ids == (red, cat, end)
    assert (first.scale, first.visual_tokens, first.prompt_tokens) == (9, 9, 2 + 9 + 3)
    assert (first.output_tokens, first.mean_logprob, first.first_margin) == (3, -0.5, 0.5)
    assert (second.text, second.token_ids, second.prompt_tokens) == ("cat", (cat,), 12)
    assert second.mean_logprob == -0.25
    assert first.wall_ms == second.wall_ms == 12.5
    assert (first.finish_reason, second.finish_reason) == ("stop", "length")
    assert (first.batch_size, first.batch_shape) == (2, "1x2x14")
