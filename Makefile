# make demo    set up, run the pipeline on a synthetic Moon, serve the model, ask it
# make test    set up, check the code, run the tests
#
# Variables: TORCH=cpu    the CPU build of torch, on a machine without a GPU (saves gigabytes)
#            PYTHON=…     the interpreter to build the environment with (3.11 or newer)

PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
export MLFLOW_TRACKING_URI ?= sqlite:///mlflow.db
export MLFLOW_ALLOW_PICKLE_DESERIALIZATION ?= false
# Threads that wait by spinning make two busy programs on one machine crawl.
export OMP_WAIT_POLICY ?= passive
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

ifeq ($(TORCH),cpu)
TORCH_SOURCE := --index-url https://download.pytorch.org/whl/cpu
endif

.PHONY: setup demo test test-all check format reference serve ui clean

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	pip install --quiet --disable-pip-version-check $(TORCH_SOURCE) torch==2.13.0
	pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: setup
	mlflow run . --env-manager local --experiment-name demo -P epochs=15 -P batch_size=64
	python -m steps.demo

check: setup
	ruff format --check .
	ruff check .
	mypy
	lint-imports

test: check
	pytest

test-all: check
	pytest -m ''

format: setup
	ruff format .
	ruff check --fix .

reference: setup
	python -m steps.shared.reference

serve: setup
	mlflow models serve -m models:/lunar-craters@champion --env-manager local --port 5001

ui: setup
	mlflow ui --backend-store-uri $(MLFLOW_TRACKING_URI) --port 5000

clean:
	rm -rf $(VENV) data mlflow.db mlruns mlartifacts
