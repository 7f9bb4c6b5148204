#!/bin/bash
cd /tmp/mid; export PYTHONPATH=$PWD OMP_NUM_THREADS=1
echo "$(date -u +%FT%TZ) talk: 4,500 steps from counts4 begun or taken up at $(git describe --always --dirty)" >> runs/mini/log.txt
.venv/bin/torchrun --standalone --nproc-per-node 2 -m scripts.cli finetune --data scenes-v3 --workers 1 --optimizer muon --bf16 --compile --out runs/mini/talk --model runs/mini/counts4 --scales-per-step 2 --dense-weight 0.2 --align-weight 0.5 --ground-weight 0.5 --described 1 --turns 6 --casual 16 --keep-largest --emphasis chart=3,counting=5,reading=2.5,table=1.2,number=1.5,existence=0.6,gist=0.3 --steps 4500 --batch 4 --tower-rate 0.00012 --projector-rate 0.0006 --language-rate 0.0006 --seed 33 &&
echo "$(date -u +%FT%TZ) talk is finished" >> runs/mini/log.txt &&
.venv/bin/python -m scripts.benchmarks.ladder --model runs/mini/talk --json runs/mini/talk.json --images 200
