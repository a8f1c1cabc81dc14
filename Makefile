# Two commands do everything on a fresh machine: `make book` and `make test`. `make pdf` prints the book: build/book.pdf.
#
#   PYTHON=python3.12 make book       another interpreter (3.11 or later)
#   TORCH="torch==2.13.0 --index-url ..." make setup     another build of torch, say for CUDA
#   FACES="faces/ --layout labelmap" MINUTES=60 make gpu     train for so long, or go on, into trained/gpu:
#                                                            every stage, then the other rows of Table VI

PYTHON ?= python3
TORCH ?= torch==2.13.0
RECIPE ?= laptop
TRAIN ?= gpu
MINUTES ?= 30
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: setup test lint notebooks book pdf gpu clean

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

test: setup
	@$(BIN)/doit vendor live
	@$(BIN)/python -m pytest

lint: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check

notebooks: setup
	@RECIPE=$(RECIPE) $(BIN)/doit notebooks

book: setup
	@RECIPE=$(RECIPE) $(BIN)/doit

pdf: setup
	@RECIPE=$(RECIPE) $(BIN)/doit pdf

gpu: setup
	@$(BIN)/umsn train --recipe $(TRAIN) --out trained/$(TRAIN) --all --minutes $(MINUTES) $(if $(FACES),--faces $(FACES))

clean:
	rm -rf .venv runs .doit.db* build node_modules book/_build book/executed book/_static/vendor book/_static/live
