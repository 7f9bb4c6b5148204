# python ask.py MODEL: asks the newcomer's hundred questions at 576 tokens, once
import json, re, sys
from PIL import Image
from m3_backbone.backbone import M3Backbone
asked = json.load(open("/tmp/newcomer6/questions.json"))
model = M3Backbone.from_pretrained(sys.argv[1])
plain = lambda text: re.sub(r"[^a-z0-9 ]", "", text.lower()).strip()
seen = model.encode([Image.open(f"/tmp/newcomer6/{n}.png") for n in range(10)])
answers = model.generate([seen[one["image"]] for one in asked], [one["question"] for one in asked], 576)
right = 0
for one, answer in zip(asked, answers, strict=True):
    good = plain(answer.text) in map(plain, one["answers"])
    right += good
    if not good: print(one["image"], one["question"], "->", answer.text, "| accepted:", ", ".join(one["answers"]))
print(right, "of", len(asked))
