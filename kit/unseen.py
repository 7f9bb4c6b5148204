# python unseen.py MODEL IMAGES: accuracy at 576 on scenes-v3:validation, as asked and with one word of each question made up
import sys
import numpy as np
from dataclasses import replace
from labels.questions import format_question
from labels.metrics.registry import score_answer
from labels.scenes.wide.made_up import replace_word
from labels.sources.loading import load_questions
from m3_backbone.backbone import M3Backbone
model = M3Backbone.from_pretrained(sys.argv[1]); N = int(sys.argv[2])
qs = load_questions("scenes-v3:validation", limit=N * 6)
rng = np.random.default_rng(9); good = [0, 0]; n = 0
groups = list(qs.by_image())[:N]
for start in range(0, len(groups), 16):
    part = groups[start:start + 16]
    pyr = model.encode([qs.image(g[0].image_id) for g in part])
    asked = [[format_question(q) for q in g] for g in part]
    other = [[replace_word(t, rng) for t in g] for g in asked]
    for k, texts in enumerate((asked, other)):
        out = model.answer_images(pyr, texts, 576)
        good[k] += sum(score_answer(a.text, q).score for g, o in zip(part, out) for q, a in zip(g, o))
    n += sum(map(len, part))
print(n, [round(g / n, 4) for g in good])
