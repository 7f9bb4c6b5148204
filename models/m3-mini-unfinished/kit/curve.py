import json,sys
from collections import defaultdict
rows=[json.loads(l) for l in open(sys.argv[1])]; step=int(sys.argv[2])
for s in range(0,len(rows),step):
    got=defaultdict(list)
    for r in rows[s:s+step]:
        for k,v in r["losses"].items(): got[k].append(v)
    print(s, {k: round(sum(v)/len(v),3) for k,v in sorted(got.items(), key=lambda t:-int(t[0]))})
