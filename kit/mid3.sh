#!/bin/bash
cd /tmp/mid; export PYTHONPATH=$PWD OMP_NUM_THREADS=1
echo "$(date -u +%FT%TZ) talk: 3,000 steps more begun or taken up at $(git describe --always --dirty)" >> runs/mini/log.txt
.venv/bin/torchrun --standalone --nproc-per-node 2 -m scripts.cli finetune --data scenes-v3 --workers 1 --optimizer muon --bf16 --compile --out runs/mini/talk2 --model runs/mini/talk --scales-per-step 2 --dense-weight 0.2 --align-weight 0.5 --ground-weight 0.5 --described 1 --turns 6 --casual 18 --keep-largest --emphasis chart=3,counting=5,reading=2.5,table=1.2,number=4,existence=0.6,gist=0.3 --steps 3000 --batch 4 --tower-rate 0.00012 --projector-rate 0.0006 --language-rate 0.0006 --seed 35 &&
echo "$(date -u +%FT%TZ) talk2 is finished" >> runs/mini/log.txt &&
.venv/bin/python -m scripts.benchmarks.ladder --model runs/mini/talk2 --json runs/mini/talk2.json --images 200
