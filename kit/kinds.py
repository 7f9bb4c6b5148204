# python kinds.py MODEL IMAGES : accuracy at 576 of everyday questions by kind, on validation scenes
import sys, numpy as np
from collections import defaultdict
import labels.scenes.casual.asking as A
from labels.scenes.casual.facts import Slots
from labels.scenes.casual.finding import find_facts
from labels.scenes.casual.phrases import FRAMES, PHRASES
from labels.scenes.layouts import pick
from labels.scenes.wide.wording import write_down
from labels.scenes.splits import draw_image, make_scene
from labels.scenes.draws import SCENES_V3
from m3_backbone.backbone import M3Backbone
model=M3Backbone.from_pretrained(sys.argv[1]); N=int(sys.argv[2])
got=defaultdict(lambda:[0,0]); wrong=defaultdict(list); sk=defaultdict(lambda:[0,0])
rng=np.random.default_rng(5)
import re
plain=lambda t: re.sub(r"[^a-z0-9 ]","",t.lower()).strip()
for start in range(0,N,20):
    ims=[];ask=[]
    for i in range(start,start+20):
        s=make_scene("validation",i,0,SCENES_V3); ims.append(draw_image(s,"validation",i,0,SCENES_V3))
        told=find_facts(s).told
        for kind in told:
            answer=pick(rng,list(told[kind])); facts=told[kind][answer]
            fact=A.fill(facts[int(rng.integers(len(facts)))].slots,rng)
            text=pick(rng,FRAMES).replace("@",pick(rng,A.spell(pick(rng,PHRASES[kind]))))
            ask.append((i-start,s.kind,kind,write_down(text,fact,rng,A.LOWER_SHARE),answer))
    seen=model.encode(ims)
    out=model.generate([seen[a[0]] for a in ask],[a[3] for a in ask],576)
    for a,o in zip(ask,out):
        good=plain(o.text)==plain(a[4]); g=got[a[2]]; g[0]+=good; g[1]+=1
        g=sk[a[1]]; g[0]+=good; g[1]+=1
        if not good: wrong[a[2]].append((a[1],a[3],o.text,a[4]))
for k,(g,n) in sorted(got.items(),key=lambda t:t[1][0]/t[1][1]): print(f"{g/n:.2f} {n:4d} {k}", wrong[k][:2])
print({k:f"{g/n:.3f} of {n}" for k,(g,n) in sk.items()}, sum(g for g,_ in got.values())/sum(n for _,n in got.values()))
