"""What stock vLLM answers at 576 tokens, by itself as test_stock.py starts it without plug-ins.

`python stock.py CHECKPOINT FOLDER`: the folder holds prompts.json, a list of texts, and their
images 0.png, 1.png, ...; answers.json is written there.
"""

import json
import sys
from pathlib import Path

from PIL import Image
from vllm import LLM, SamplingParams

if __name__ == "__main__":
    checkpoint, folder = sys.argv[1], Path(sys.argv[2])
    llm = LLM(
        model=checkpoint, dtype="float32", max_model_len=1024, block_size=32, enforce_eager=True
    )
    requests = [
        {"prompt": prompt, "multi_modal_data": {"image": Image.open(folder / f"{place}.png")}}
        for place, prompt in enumerate(json.loads((folder / "prompts.json").read_text()))
    ]
    outputs = llm.generate(requests, SamplingParams(temperature=0, max_tokens=16), use_tqdm=False)
    answers = [list(output.outputs[0].token_ids) for output in outputs]
    (folder / "answers.json").write_text(json.dumps(answers))
