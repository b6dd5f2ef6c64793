# Everything here fetches what it needs from PyPI and npm; only Python 3.11, pip, git and make must be there.
UV_VERSION = 0.13.9
UV = .tools/bin/uv
ENV = .venv/.locked
DEMO = .venv/demo/.locked
PEERS = tests/peers/node_modules/.package-lock.json
# Documents of others, and servers that follow them.
OTHERS = tests/openapi/documents
DOCUMENTS = $(OTHERS)/node_modules/.package-lock.json $(OTHERS)/.venv/.locked
# Tests write half a million small files.
PYTEST = scratch=$$(sh tests/scratch.sh) && trap 'rm -rf "$$scratch"' EXIT INT TERM && TMPDIR=$$scratch .venv/bin/pytest
# Neighbours share servers, so a worker keeps them until another has nothing left.
WORKERS = -n 3 --dist worksteal
export UV_NO_PROGRESS = 1
export PYTHONDONTWRITEBYTECODE = 1

.PHONY: demo test peers targets pipelines updates image browser documents databases lint clean
.PHONY: hundred bombs fuzz soak strangers bench first figures fresh
.PHONY: locks locks-check tags picture page recording

demo: $(DEMO) ## Make a connector, start it, and call it as clients of both kinds of protocol version do.
	@.venv/demo/bin/python -m tests.programs.demo

test: $(ENV) $(PEERS) lint ## Every check of the template and of what it renders but those of the eight below, in under ten minutes.
	$(PYTEST) -q $(WORKERS) -m "not peers and not targets and not pipelines and not updates and not image \
	  and not browser and not documents and not databases"

peers: $(ENV) $(PEERS) ## Connectors at work: their tests, documents and logins; clients, identity providers, suites of others, Prometheus.
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
	    ! { [ -x /usr/bin/glewlwyd ] && [ -x /usr/bin/prometheus ] && [ -x /usr/bin/jq ]; }; then \
	  mkdir -p /etc/systemd/system && ln -sf /dev/null /etc/systemd/system/glewlwyd.service && \
	  ln -sf /dev/null /etc/systemd/system/prometheus.service; apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends glewlwyd prometheus jq || true; \
	fi # as services, masked here, both would listen everywhere, one with a password that everyone knows
	$(PYTEST) -q -rs $(WORKERS) -m peers

targets: $(ENV) ## The files of every target with every mode and source, each by the strictest check that works offline.
	$(PYTEST) -q $(WORKERS) -m targets

pipelines: $(ENV) $(PEERS) ## The rendered pipelines, run after a first push, and the lock files on every Python.
	$(PYTEST) -q $(WORKERS) -m pipelines

updates: $(ENV) ## Connectors of each release, with the edits that owners make, updated to the working tree.
	$(PYTEST) -q $(WORKERS) -m updates

image: $(ENV) $(PEERS) ## The image, built and run by a Docker daemon of its own; skipped with the reason where none can start.
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
	    ! { [ -x /usr/sbin/dockerd ] && [ -x /usr/bin/mmdebstrap ]; }; then \
	  apt-get update -qq && apt-get install -qq --no-install-recommends docker.io mmdebstrap || true; \
	fi
	.venv/bin/pytest -q -rs -m image

browser: $(ENV) $(PEERS) ## The logins that need Debian's Chromium, at /usr/bin/chromium.
	.venv/bin/pytest -q -rs -m browser

documents: $(ENV) $(DOCUMENTS) ## Tools from OpenAPI documents of others, type checked, called, and compared with the document.
	$(PYTEST) -q -rs -n 2 -m documents

databases: $(ENV) ## Connectors with servers of PostgreSQL and MariaDB; skipped with the reason where they are not installed.
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
	    ! { ls /usr/lib/postgresql/*/bin/initdb && ls /usr/sbin/mariadbd; } >/dev/null 2>&1; then \
	  mkdir -p /etc/postgresql-common/createcluster.d && \
	  echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.d/none.conf; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends \
	    postgresql mariadb-server-core mariadb-client-core || true; \
	fi # without a server of its own, which would listen at the usual port
	$(PYTEST) -q -rs -m databases

lint: $(ENV)
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

locks: $(ENV) ## Make all lock files again, keeping what still fits.
	.venv/bin/python -m tests.programs.locks

figures: $(ENV) ## Print the sizes and times that the documents quote.
	.venv/bin/python -m tests.programs.figures

hundred: $(ENV) ## Update a hundred connectors in a row, and print conflicts, cost, and whose own tests pass.
	.venv/bin/python -m tests.programs.hundred

bombs: $(ENV) ## What requests cost that are made to cost much: release 1.0.1 and the working tree. ONLY='list in a text' for some.
	.venv/bin/python -m tests.programs.bombs $(if $(ONLY),--only '$(ONLY)')

strangers: $(ENV) $(PEERS) ## What good callers get while strangers flood a connector. ONLY=oauth for one mode.
	.venv/bin/python -m tests.programs.strangers $(if $(ONLY),--only $(ONLY))
	$(if $(wildcard tests/programs/strangers_store.py),.venv/bin/python -m tests.programs.strangers_store)

bench: $(ENV) $(PEERS) ## Calls a second, instructions, starts and memory beside those of others. ONLY='calls cold' for some; ROUNDS, JSON, SVG.
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && ! [ -x /usr/bin/valgrind ]; then \
	  apt-get update -qq && apt-get install -qq --no-install-recommends valgrind || true; \
	fi
	.venv/bin/python -m tests.programs.bench $(addprefix --only ,$(ONLY)) \
	  $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(JSON),--json $(JSON)) $(if $(SVG),--svg $(SVG))

first: $(ENV) $(PEERS) ## From an empty folder to a real row through Inspector, timed for each source. ONLY=SQLite for one; COLD=1 with empty caches.
	.venv/bin/python -m tests.programs.first_row $(if $(ONLY),--only '$(ONLY)') $(if $(COLD),--cold)

fuzz: $(ENV) ## Send connectors of every auth mode COUNT requests that no client should send; SEED repeats a run.
	.venv/bin/python -m tests.programs.fuzz \
	  $(if $(COUNT),--count $(COUNT)) $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only $(ONLY))

soak: $(ENV) $(PEERS) ## Half an hour of calls by many clients, while all that a connector depends on fails. MINUTES=6 ONLY=api-key.
	.venv/bin/python -m tests.programs.soak $(if $(MINUTES),--minutes $(MINUTES)) $(if $(ONLY),--only $(ONLY))

locks-check: $(ENV) ## Fail when a lock file and its pyproject.toml disagree.
	.venv/bin/python -m tests.programs.locks --check

fresh: $(ENV) ## Run connectors with the newest versions that their bounds allow. ONLY=oauth-proxy for some.
	.venv/bin/python -m tests.programs.fresh $(if $(ONLY),--only '$(ONLY)')

picture: $(ENV) ## Draw docs/picture.svg again, after a change of copier.yml.
	.venv/bin/python -m tests.programs.picture

page: $(ENV) $(PEERS) ## Draw docs/page.png again, after a change of the page at `/`; needs Debian's Chromium.
	.venv/bin/python -m tests.programs.page

recording: $(ENV) ## Draw docs/recording.svg again, after a change of what is asked or of what `dev` prints.
	.venv/bin/python -m tests.programs.recording

tags: ## Give this clone the tag of every release: Copier finds releases by their tags.
	python3 -m tests.programs.tags

$(UV):
	python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --target .tools uv==$(UV_VERSION)

$(ENV): requirements.lock $(wildcard locks/*.lock) | $(UV)
	$(UV) venv --quiet --clear --python ">=3.11" .venv
	$(UV) pip sync --quiet --compile-bytecode --require-hashes requirements.lock
	for set in base proxy; do \
	  $(UV) venv --quiet --clear --python ">=3.11" .venv/$$set && \
	  $(UV) pip sync --quiet --compile-bytecode --require-hashes --python .venv/$$set locks/$$set.lock || exit 1; \
	done
	touch $@

$(DEMO): requirements-demo.lock | $(UV)
	$(UV) venv --quiet --clear --python ">=3.11" .venv/demo
	$(UV) pip sync --quiet --compile-bytecode --require-hashes --python .venv/demo requirements-demo.lock
	touch $@

$(PEERS): tests/peers/package-lock.json $(ENV)
	.venv/bin/npm --prefix tests/peers ci --no-fund --no-audit --ignore-scripts
	touch $@

$(OTHERS)/node_modules/.package-lock.json: $(OTHERS)/package-lock.json $(ENV)
	.venv/bin/npm --prefix $(OTHERS) ci --no-fund --no-audit --ignore-scripts
	touch $@

$(OTHERS)/.venv/.locked: requirements-documents.lock $(OTHERS)/airflow.lock | $(UV)
	$(UV) venv --quiet --clear --python ">=3.11" $(OTHERS)/.venv
	$(UV) pip sync --quiet --require-hashes --python $(OTHERS)/.venv requirements-documents.lock
	$(UV) pip install --quiet --no-deps --require-hashes --target $(OTHERS)/.venv/airflow -r $(OTHERS)/airflow.lock
	if command -v apt-get >/dev/null; then \
	  (cd $(OTHERS)/.venv && apt-get download -qq golang-github-docker-docker-dev && \
	    dpkg-deb -x golang-*.deb docker) || true; \
	fi
	touch $@

clean:
	rm -rf .tools .venv tests/peers/node_modules
