#!/bin/bash
cd /tmp/mid; export PYTHONPATH=$PWD OMP_NUM_THREADS=1
echo "$(date -u +%FT%TZ) talk: 3,500 steps with unknown words begun or taken up at $(git describe --always --dirty)" >> runs/mini/log.txt
.venv/bin/torchrun --standalone --nproc-per-node 2 -m scripts.cli finetune --data scenes-v3 --workers 1 --optimizer muon --bf16 --compile --out runs/mini/talk3 --model runs/mini/talk2 --scales-per-step 2 --dense-weight 0.2 --align-weight 0.5 --ground-weight 0.5 --described 1 --turns 8 --casual 14 --unknown-words 0.4 --keep-largest --emphasis chart=3,counting=6,reading=2,table=1.2,number=3,existence=0.8,gist=0.3 --steps 3500 --batch 4 --tower-rate 0.00012 --projector-rate 0.0006 --language-rate 0.0006 --seed 37 &&
echo "$(date -u +%FT%TZ) talk3 is finished" >> runs/mini/log.txt &&
.venv/bin/python -m scripts.benchmarks.ladder --model runs/mini/talk3 --json runs/mini/talk3.json --images 200
