# python cnt.py MODEL N: the first N counting questions of scenes-v3:validation, at 576
import sys
from collections import defaultdict
from labels.questions import format_question
from labels.metrics.registry import score_answer
from labels.sources.loading import load_questions
from m3_backbone.backbone import M3Backbone
N = int(sys.argv[2]); model = M3Backbone.from_pretrained(sys.argv[1])
questions = load_questions("scenes-v3:validation", limit=int(N * 4))
groups = [[q for q in g if q.group == "chart"] for g in questions.by_image()]
groups = [g for g in groups if g]
good = defaultdict(lambda: [0, 0]); wrong = []; done = 0
for start in range(0, len(groups), 16):
    part = groups[start:start + 16]
    pyr = model.encode([questions.image(g[0].image_id) for g in part])
    out = model.answer_images(pyr, [[format_question(q) for q in g] for g in part], 576)
    for g, answers in zip(part, out):
        for q, a in zip(g, answers):
            if done == N: break
            done += 1; s = score_answer(a.text, q).score
            for k in ("all", q.answers[0]): good[k][0] += s; good[k][1] += 1
            if not s: wrong.append((q.question, a.text, q.answers[0]))
    if done == N: break
for k, (g, n) in sorted(good.items()): print(f"{k:6} {g/n:.4f} of {n}")
for w in wrong[:8]: print(w)
