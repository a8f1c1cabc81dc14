# Two commands do everything on a fresh machine: `make book` and `make test`. `make pdf` prints the book: build/book.pdf.
#
#   PYTHON=python3.12 make book       another interpreter (3.11 or later)
#   TORCH="torch==2.13.0 --index-url ..." make setup     another build of torch, say for CUDA
#   RECIPE=gpu DEVICE=cuda FACES=CelebAMask-HQ LAYOUT=celebamask-hq TEST=final_Helen TEST_LAYOUT=pairs make book
#                                                        the whole book of another edition, on your data and device
#   FACES=faces LAYOUT=labelmap MINUTES=60 make gpu      train for so long, or go on, into trained/gpu: every stage,
#                                                        then the other rows of Table VI, shortened until all fit;
#                                                        then measure what was trained, on TEST if it is given;
#                                                        NETWORK_LAYOUT=gpu-triton as for umsn train
#   make recogniser                                      fetch dlib's descriptor and landmarks by npm into recogniser/;
#                                                        DESCRIPTOR=recogniser make book then judges by them
#   make figures                                         take what the notebooks drew over into figures/

PYTHON ?= python3
TORCH ?= torch==2.13.0
RECIPE ?= laptop
TRAIN ?= gpu
GPU_MINUTES = $(or $(MINUTES),30)
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: setup test lint notebooks book recogniser figures pdf gpu clean

# the edition: what of this is set reaches every notebook
export RECIPE SEED DEVICE FACES LAYOUT TEST TEST_LAYOUT WINDOW GALLERY GALLERY_LAYOUT DESCRIPTOR WEIGHTS RUNS MINUTES

setup: .venv/ready

# torch comes first and alone: its build depends on the machine, and nothing after it may choose another.
.venv/ready: requirements.lock pyproject.toml
	@$(PYTHON) -m venv .venv
	@echo "setting up .venv: $(TORCH)"
	@$(PIP) $(TORCH)
	@echo "setting up .venv: requirements.lock"
	@$(PIP) --requirement requirements.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

# As many processes as there are cores, at most four for the sake of memory, each with one thread (tests/conftest.py).
test: setup
	@$(BIN)/doit vendor live
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n logical --maxprocesses 4

lint: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check

notebooks: setup
	@$(BIN)/doit notebooks

book: setup
	@$(BIN)/doit

recogniser: setup
	@$(BIN)/doit recogniser

figures: setup
	@$(BIN)/doit figures

pdf: setup
	@$(BIN)/doit pdf

gpu: setup
	@$(BIN)/umsn train --recipe $(TRAIN) --out trained/$(TRAIN) --all --fit $(GPU_MINUTES) --minutes $(GPU_MINUTES) $(if $(FACES),--faces $(FACES)) $(if $(LAYOUT),--layout $(LAYOUT)) $(if $(NETWORK_LAYOUT),--network-layout $(NETWORK_LAYOUT))
	@$(BIN)/umsn measure training --folders trained/$(TRAIN) --json trained/$(TRAIN)/records/training.json > /dev/null
	@for weights in trained/$(TRAIN)/pretrained/*.safetensors; do \
		[ -e $$weights ] || continue; \
		name=$$(basename $$weights .safetensors); \
		$(BIN)/umsn evaluate --method blurred,$${name%%-*} --weights $$weights $(if $(TEST),--faces $(TEST)) $(if $(TEST_LAYOUT),--layout $(TEST_LAYOUT)) --json trained/$(TRAIN)/records/evaluate-$$name.json || exit; \
	done

clean:
	rm -rf .venv runs .doit.db* build node_modules book/_build book/executed book/_static/vendor book/_static/live
