# Each target works as the first command on a fresh clone: what it needs is installed into .venv on the way.
# Works with the GNU make 3.81 of macOS.

UNIT      ?= 03-conv-forward
SUBMITTED ?= autograder/examples
OUTPUT    ?= build/grade

bin := .venv/bin
# Stamps: .venv holds what a student or grader needs; and what a developer needs on top of that.
to_use     := .venv/installed-to-use
to_develop := .venv/installed-to-develop

.DEFAULT_GOAL := help
.PHONY: help lab grade grade-all test hostile lint build release site bench

help:  ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

lab: $(to_use)  ## open the course in JupyterLab (ARGS: more arguments for it)
	@$(bin)/jupyter lab $(ARGS) --notebook-dir=. notebooks/00-start-here/00-start-here.ipynb

# The grader exits with 1 when it refused submissions, each named in what it printed: the class is graded all the same.
# So does a Python that crashed, but that leaves no new grades.csv.
run_grader = touch .venv/grading-began; \
	$(bin)/autograder grade $(1) --submitted "$(SUBMITTED)" --output "$(OUTPUT)" || \
	{ test $$? -eq 1 && test "$(OUTPUT)/grades.csv" -nt .venv/grading-began; }

grade: $(to_use)  ## grade one unit of a class (SUBMITTED=dir OUTPUT=dir UNIT=03-conv-forward)
	@$(call run_grader,$(UNIT))

grade-all: $(to_use)  ## grade every unit of a class (SUBMITTED=dir OUTPUT=dir)
	@$(call run_grader)

test: lint  ## run the linter, check that the notebooks are fresh, run all tests, report coverage
	@scripts/system-packages
	$(bin)/autograder build --check
	$(bin)/python -m pytest -n 2 --dist loadfile --cov

hostile: $(to_develop)  ## try the hostile submissions alone
	$(bin)/python -m pytest tests/hostile

lint: $(to_develop)  ## run the linter
	$(bin)/ruff check

build: $(to_use)  ## build the notebooks from solutions/
	$(bin)/autograder build

release: $(to_use)  ## make the archive that students get
	@$(bin)/autograder release

site: $(to_develop)  ## build the course's site
	$(bin)/python -m autograder.site

bench: $(to_develop)  ## run all benchmarks, which takes hours; CONTRIBUTING.md says how to run one
	@set -e; for benchmark in $(filter-out %/results.py, $(wildcard benchmarks/*.py)); do echo "== $$benchmark"; $(bin)/python "$$benchmark"; done

$(to_use): pyproject.toml constraints.txt scripts/set-up
	@scripts/set-up grading
	@touch $@

$(to_develop): pyproject.toml constraints.txt scripts/set-up
	@scripts/set-up grading,cluster,site,dev
	@touch $(to_use) $@
