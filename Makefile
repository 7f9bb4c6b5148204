# Everything a clone needs: python3 (3.10 to 3.13), pip and make.
#   make demo      label, train, ask and report on the embedded model
#   make study     the same on many more images of every draw, with every comparison: hours
#   make test      the tests
#   make check     ruff, mypy and the tests: the one gate, for people and CI
#   make fuzz      ten minutes of bad input on every command
#   make kills     seven commands that write, killed and starved of disk at every moment
#   make test-ray  the tests of Ray, in an environment of its own: some 20 minutes
#   make test-vllm the tests of vLLM, on a CPU in an environment of its own: 6 GB, some 20 minutes
#   make docs      the pages of docs/ as a site, in site/
#   make mini      the training of the embedded model from nothing: hours
#   make card      what the embedded model gets right, measured and written into its card
# Another interpreter:           make test PYTHON=python3.12
# Another place for torch:       make test TORCH_ARGS='--index-url https://download.pytorch.org/whl/cpu'
# Part of the tests:             make test TESTS='tests/labels tests/predictor'
# The oldest releases, newest:   make test DEPS=lowest, make test DEPS=newest

PYTHON ?= python3
TORCH_ARGS ?=
TESTS ?=
DEPS ?=
VENV := .venv$(DEPS:%=-%)
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# torch goes in first and alone: its builds differ by machine, and the rest must take what is there.
TORCH := $(shell sed -n 's/^\(torch==[^ ;]*\).*/\1/p' constraints.txt)

ifneq ($(filter-out lowest newest,$(DEPS)),)
$(error DEPS is '$(DEPS)': expected lowest, newest, or nothing for constraints.txt)
endif

.DEFAULT_GOAL := help
.PHONY: help install demo study test lint check fuzz kills test-ray test-vllm docs mini card clean

help:
	@sed -n '2,14s/^# \{0,1\}//p' Makefile

install: $(STAMP)

$(STAMP): setup.cfg constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 14))' || { \
	  echo "m3scale needs Python 3.10 to 3.13; '$(PYTHON)' is $$($(PYTHON) -V 2>&1)." \
	    "Name another one: make PYTHON=python3.12"; exit 1; }
	@echo "installing into $(VENV): once, some minutes"
	@# Debian's python3 comes without ensurepip: then its own pip fills the environment.
	$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || $(PYTHON) -m venv --without-pip --clear $(VENV)
	$(BIN)/python -m pip --version >/dev/null 2>&1 || \
	  $(PYTHON) -m pip --python $(BIN)/python install --quiet pip
	$(BIN)/python -m pip install --quiet $(TORCH_ARGS) $(TORCH)
	@# The lowest releases are the floors of setup.cfg; torch is the one that is pinned.
	@sed -n 's/^    \([a-z0-9_-]*\)>=\([0-9.]*\).*/\1==\2/p' setup.cfg | grep -v '^torch=' >$(VENV)/lowest.txt
	@: >$(VENV)/newest.txt
	$(BIN)/python -m pip install --quiet -c $(if $(DEPS),$(VENV)/$(DEPS).txt,constraints.txt) -e '.[dev]'
	@touch $@

demo: $(STAMP)
	$(BIN)/m3scale demo

# Every draw of the benchmark; what is done already is not done again, draw by draw and stage by
# stage. Then README.md and docs/results.md get their tables. Another model, or a quick try:
# make study STUDY_ARGS='--train-images 60 --test-images 60 --seeds 1'.
DRAWS := scenes-v1 scenes-v2 scenes-v3
STUDY_ARGS ?= --train-images 2000 --calibration-images 1000 --test-images 1000 --repeats 3 \
  --outside-images 300 --rephrased-images 200 --seeds 5 --studies

study: $(STAMP)
	for draw in $(DRAWS); do \
	  $(BIN)/m3scale demo --draw $$draw --out runs/study/$$draw $(STUDY_ARGS) || exit 1; \
	done
	@# Only now, as results name the commit, and that the clone has changed since.
	mkdir -p docs/study
	for draw in $(DRAWS); do cp runs/study/$$draw/report/results.json docs/study/$$draw.json; done
	$(BIN)/python -m scripts.benchmarks.study docs/study/*.json

# A process for every core, with one thread each; the tests of a file share what they set up.
test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile $(TESTS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: lint test

fuzz: $(STAMP)
	$(BIN)/python -m scripts.fuzzing.run --seconds 600 --workers 2

kills: $(STAMP)
	$(BIN)/python -m scripts.fuzzing.kills --seed 1 --workers 2

RAY := .venv-ray

$(RAY)/.installed: setup.cfg constraints.txt
	$(PYTHON) -m venv $(RAY)
	$(RAY)/bin/python -m pip install --quiet $(TORCH_ARGS) $(TORCH)
	$(RAY)/bin/python -m pip install --quiet -c constraints.txt -e '.[dev,ray]'
	@touch $@

test-ray: $(RAY)/.installed
	OMP_NUM_THREADS=1 $(RAY)/bin/python -m pytest -m ray -o log_cli=true -o log_cli_level=INFO \
	  $(or $(TESTS),tests/labels/labelling/test_actors.py tests/scripts/test_ray.py)

# Pins of its own, as vLLM does not go with the releases of constraints.txt, and Python 3.12.
VLLM_PYTHON ?= python3.12
VLLM := .venv-vllm

$(VLLM)/.installed: setup.cfg constraints-vllm.txt
	@$(VLLM_PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 12))' || { \
	  echo "vLLM was tried with Python 3.12: name one with make test-vllm VLLM_PYTHON=..."; exit 1; }
	$(VLLM_PYTHON) -m venv $(VLLM)
	$(VLLM)/bin/python -m pip install --quiet --no-deps -r constraints-vllm.txt
	$(VLLM)/bin/python -m pip install --quiet --no-deps -e .
	@touch $@

# On a CPU: no thread is bound to a core, and nothing is asked of any hub.
test-vllm: $(VLLM)/.installed
	VLLM_CPU_KVCACHE_SPACE=1 VLLM_CPU_OMP_THREADS_BIND=nobind VLLM_NO_USAGE_STATS=1 \
	VLLM_LOGGING_LEVEL=WARNING OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE HF_HUB_OFFLINE=1 \
	  $(VLLM)/bin/python -m pytest -m vllm -W default \
	  $(or $(TESTS),tests/m3_backbone/vllm_plugin tests/scripts/serving/upstreams)

# m3-mini from nothing on the wide draw, in runs/mini. Killed at any moment, it goes on where it was, and
# passes over what is finished. Each stage's folder has its log.jsonl, log.txt the moments of them all.
#   from the shipped weights        make mini MINI_FROM='--model m3-mini'
#   a trial of a tenth of the steps make mini TENTH=1, in runs/mini-tenth
#   on one GPU, 16 cores            make mini PROCESSES=1 WORKERS=15 MINI_ARGS='--device cuda --bf16'
#   the same with larger steps      ... WIDER=8 FEWER=3 RATES=2, which nobody has run to its end
PROCESSES ?= 2
# Of each process, to draw scenes ahead.
WORKERS ?= 1
# Steps of so many times the images; a part of the steps; so many times the learning rates.
WIDER ?= 1
FEWER ?= $(if $(TENTH),10,1)
RATES ?= 1
# Each process has as many of the 6, 8 or 12 images of a step, times WIDER.
ifneq ($(shell expr 2 \* $(WIDER) % $(PROCESSES)),0)
$(error PROCESSES is '$(PROCESSES)': expected a divisor of 2 * WIDER)
endif
MINI_FROM ?= --from-scratch
TENTH ?=
MINI := runs/mini$(if $(TENTH),-tenth)
STEPS = $(shell expr $(1) / $(FEWER))
# Of the images of a step, those of each process, so that the training is the same with any number.
SHARE = $(shell expr $(1) \* $(WIDER) / $(PROCESSES))
RATE = $(shell $(PYTHON) -c 'print($(1) * $(RATES))')
# Where the processor has no bfloat16 of its own, it is emulated many times slower.
MINI_ARGS ?= $(shell grep -qsE 'avx512_bf16|amx_bf16' /proc/cpuinfo && echo --bf16) \
  $(shell command -v $${CXX:-g++} >/dev/null && echo --compile)
START = $(if $(filter 1,$(PROCESSES)),python,torchrun --standalone --nproc-per-node $(PROCESSES))
FINETUNE = $(BIN)/$(START) -m scripts.cli finetune \
  --data scenes-v3 --workers $(WORKERS) --optimizer muon $(MINI_ARGS)
HELPED := --scales-per-step 2 --dense-weight 0.2 --align-weight 0.5 --ground-weight 0.5
WHOLE := $(HELPED) --described 3 --turns 9
# As people ask, too: the first word, the longest bar, any stars?
CASUAL := $(HELPED) --described 2 --turns 7 --casual 6
# Mostly as people ask, and some words that nobody knows.
SPOKEN := $(HELPED) --described 1 --turns 8 --casual 14 --unknown-words 0.4
# What is still answered worst is asked more often, and 576 tokens are in every step.
WEAK := --keep-largest --emphasis \
  chart=4,counting=2.5,reading=2.5,table=1.5,relation=1.2,number=0.9,existence=0.6,gist=0.3
WEAK_STILL := --keep-largest --emphasis \
  chart=3,counting=3,reading=2.5,table=1.2,number=1.5,existence=0.6,gist=0.3
NOTE = @echo "$$(date -u +%FT%TZ) $(1)" | tee -a $(MINI)/log.txt
# Few images for a trial; not fewer for larger steps.
LADDER := --images $(if $(TENTH),20,200)
# The ladder of a model, into a file, unless that has it.
MEASURE = $(BIN)/python -m scripts.benchmarks.ladder --model $(1) --json $(2) $(3)

mini: $(STAMP)
	mkdir -p $(MINI)
	$(call NOTE,begun or taken up at $$(git describe --always --dirty))
	$(FINETUNE) --out $(MINI)/tower $(MINI_FROM) --dense --steps $(call STEPS,4000) \
	  --batch $(call SHARE,6) --tower-rate $(call RATE,1e-3) --seed 11
	$(call NOTE,tower is finished)
	$(FINETUNE) --out $(MINI)/whole --model $(MINI)/tower $(WHOLE) --steps $(call STEPS,5000) \
	  --batch $(call SHARE,8) --tower-rate $(call RATE,6e-4) --projector-rate $(call RATE,1.4e-3) \
	  --language-rate $(call RATE,1.4e-3) --seed 12
	$(call NOTE,whole is finished)
	$(call MEASURE,$(MINI)/whole,$(MINI)/whole.json,$(LADDER))
	$(FINETUNE) --out $(MINI)/hard --model $(MINI)/whole $(WHOLE) $(WEAK) --steps $(call STEPS,5000) \
	  --batch $(call SHARE,8) --tower-rate $(call RATE,4e-4) --projector-rate $(call RATE,1e-3) \
	  --language-rate $(call RATE,1e-3) --seed 13
	$(call NOTE,hard is finished)
	$(call MEASURE,$(MINI)/hard,$(MINI)/hard.json,$(LADDER))
	$(FINETUNE) --out $(MINI)/counts --model $(MINI)/hard --dense --emphasis counting=30 \
	  --steps $(call STEPS,10000) --batch $(call SHARE,12) --tower-rate $(call RATE,1e-3) --seed 14
	$(call NOTE,counts is finished)
	$(FINETUNE) --out $(MINI)/last --model $(MINI)/counts $(CASUAL) $(WEAK_STILL) \
	  --steps $(call STEPS,7000) --batch $(call SHARE,8) --tower-rate $(call RATE,4e-4) \
	  --projector-rate $(call RATE,1e-3) --language-rate $(call RATE,1e-3) --seed 15
	$(call NOTE,last is finished)
	$(call MEASURE,$(MINI)/last,$(MINI)/last.json,$(LADDER))
	$(FINETUNE) --out $(MINI)/talk --model $(MINI)/last $(SPOKEN) $(WEAK_STILL) \
	  --steps $(call STEPS,9000) --batch $(call SHARE,8) --tower-rate $(call RATE,3e-4) \
	  --projector-rate $(call RATE,8e-4) --language-rate $(call RATE,8e-4) --seed 16
	$(call NOTE,talk is finished)
	$(call MEASURE,$(MINI)/talk,$(MINI)/talk.json,$(LADDER))
	$(call NOTE,all is finished)

# What the card of the embedded model tells, and nothing else opens the test draws of scenes-v3. What
# was measured is not measured again. After new weights: make card BEFORE=COMMIT, a commit that has
# those before.
CARD_IMAGES ?= 400
BEFORE ?=
SPLITS := test patterns words fonts backgrounds jpeg aligned
# The first one is the known ground.
KNOWN := --images $(CARD_IMAGES) --source scenes-v3:test
ASKED := --images $(CARD_IMAGES) $(SPLITS:%=--source scenes-v3:%) --source scenes-v2:test

card: $(STAMP)
	mkdir -p docs/card runs/card
	if [ -n "$(BEFORE)" ]; then \
	  rm -rf runs/card/models && \
	  git archive $(BEFORE) models/m3-mini | tar --extract --directory runs/card && \
	  $(call MEASURE,runs/card/models/m3-mini,docs/card/before.json,$(ASKED)); fi
	$(call MEASURE,models/m3-mini,docs/card/average.json,$(ASKED))
	$(call MEASURE,models/m3-mini,docs/card/sequential.json,$(KNOWN) --pooling sequential)
	$(call MEASURE,models/m3-mini,docs/card/spatial.json,$(KNOWN) --pooling spatial)
	$(BIN)/python -m scripts.benchmarks.card

# The pages of docs/ as a site, in site/; a link that leads nowhere is an error.
docs: $(STAMP)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --site-dir site

clean:
	rm -rf site .venv .venv-lowest .venv-newest .venv-ray .venv-vllm build *.egg-info .mypy_cache .ruff_cache .pytest_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
