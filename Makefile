# make demo    set up, run the pipeline on a synthetic Moon, serve the model, ask it
# make test    set up, check the code, run the tests
# make test-stack    test with a team's stack: PostgreSQL, S3, a tracking server with users
# make test-containers  build the images of deploy/ and run them, with podman
# make docs    build the documentation site: docs/_build/html/index.html
#
# Variables: TORCH=cpu    the CPU build of torch, on a machine without a GPU (saves gigabytes)
#            PYTHON=…     the interpreter to build the environment with (3.11 or newer)
#            SERVICE_MODEL=lunar-craters    what `make serve` serves: the demo's model, or yours

PYTHON ?= python3
SERVICE_MODEL ?= lunar-craters-demo
VENV := .venv
READY := $(VENV)/.ready
DOCS_READY := $(VENV)/.docs-ready
STACK_READY := $(VENV)/.stack-ready
export MLFLOW_TRACKING_URI ?= sqlite:///mlflow.db
export MLFLOW_ALLOW_PICKLE_DESERIALIZATION ?= false
# Threads that wait by spinning make two busy programs on one machine crawl.
export OMP_WAIT_POLICY ?= passive
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

PIP := pip install --quiet --disable-pip-version-check
ifeq ($(TORCH),cpu)
TORCH_SOURCE := --index-url https://download.pytorch.org/whl/cpu
endif

.PHONY: setup browser demo test test-stack test-containers test-all check docs format reference serve ui clean

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) $(TORCH_SOURCE) torch==2.13.0
	$(PIP) -c constraints.txt -e '.[dev]'
	touch $@

$(DOCS_READY): $(READY)
	$(PIP) -c constraints.txt -e '.[docs]'
	touch $@

$(STACK_READY): $(READY)
	$(PIP) -c constraints.txt -e '.[stack]'
	touch $@

# The pages are tested in a real browser. Where apt may install it, it does; elsewhere the tests
# that need it are skipped, and the summary says so.
browser:
	@command -v chromium chromium-browser google-chrome > /dev/null || { \
	  command -v apt-get > /dev/null && test "$$(id -u)" = 0 \
	  && { apt-get install -y -qq chromium > /dev/null 2>&1 \
	    || { apt-get update -qq && apt-get install -y -qq chromium > /dev/null; }; }; } \
	  || echo "Chromium is not here and cannot be installed by this user: see the test summary."

demo: setup
	mlflow run . --env-manager local --experiment-name "$(or $(MLFLOW_EXPERIMENT_NAME),demo)" -P epochs=15 -P batch_size=64
	python -m steps.demo

check: setup
	ruff format --check .
	ruff check .
	mypy
	lint-imports

# One process per processor; the coverage that it prints has a floor (pyproject.toml).
test: check browser
	pytest -n auto --dist loadfile --cov --cov-report=term

# PostgreSQL comes from the system (`apt-get install postgresql`); see docs/deploy.md.
test-stack: $(STACK_READY)
	pytest -m stack tests/stack

# The images and the compose file of deploy/, run by podman: see docs/deploy.md for what it needs.
test-containers: $(STACK_READY)
	$(PIP) podman-compose==1.6.0
	tests/stack/base_images/build.sh
	LUNAR_CONTAINERS=1 pytest -m stack tests/stack/test_containers.py

test-all: check browser $(STACK_READY)
	pytest -m ''

docs: $(DOCS_READY)
	sphinx-build -W --keep-going -q -b html docs docs/_build/html
	@echo "Open docs/_build/html/index.html"

format: setup
	ruff format .
	ruff check --fix .

reference: setup
	python -m steps.shared.reference

serve: setup
	mlflow models serve -m models:/$(SERVICE_MODEL)@champion --env-manager local --port 5001

ui: setup
	mlflow ui --backend-store-uri $(MLFLOW_TRACKING_URI) --port 5000

clean:
	rm -rf $(VENV) data docs/_build docs/api/_autosummary mlflow.db mlruns mlartifacts
