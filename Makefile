# What a contributor runs; .ci/run runs the same.

GO ?= go
FUZZTIME ?= 30s
SOAK ?= 10m
export FUZZTIME

.PHONY: all build test check format vet staticcheck arrows bench bench-release measure fuzz replay soak feeds pages metrics deb release service

all: check test build

# A static binary.
build:
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/tocsin ./cmd/tocsin

# Tests of the daemon wait more than they work, so that four run at once. Each process
# under the race detector would rest for a second at its end, and they start hundreds.
# SQLite's own code has neither goroutines nor locks (its libc and its driver have), and
# would be half of the work.
test:
	GORACE=atexit_sleep_ms=0 $(GO) test -race -gcflags=modernc.org/sqlite/lib=-race=false -parallel 4 -timeout 20m ./...
	$(GO) -C packaging test ./...

# All that can be said without running the program. staticcheck is pinned in
# go.mod; `make -k check` goes on after a fault.
check: format vet staticcheck arrows

format:
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "gofmt -w $$unformatted"; exit 1; }

vet:
	$(GO) vet ./...
	$(GO) -C packaging vet ./...

staticcheck:
	$(GO) build -o bin/staticcheck honnef.co/go/tools/cmd/staticcheck
	bin/staticcheck ./...
	cd packaging && ../bin/staticcheck ./...

# Who may import whom: house_test.go.
arrows:
	$(GO) test -run '^TestArrows$$' .

# The benchmarks of every stage, six times each, beside those of the last release;
# BENCH=. is all that there are.
STAGES = Read|Revision|Snapshot|Diff|Compare|FirstRun|Entry|Render|Match|Plan|Page|Publish|PublishTurn|Serve|Drain
BENCH ?= ^Benchmark($(STAGES))$$
COUNT ?= 6

bench: measure
	$(GO) tool benchstat bench/release.txt bin/bench.txt

# A release keeps its own figures, of a machine that does nothing else.
bench-release: measure
	grep -E '^(goos|goarch|pkg|cpu|Benchmark)' bin/bench.txt >bench/release.txt

measure:
	@mkdir -p bin
	$(GO) test -p 1 -run '^$$' -bench '$(BENCH)' -benchmem -benchtime 300ms -count $(COUNT) -timeout 1h ./... >bin/bench.txt || { cat bin/bench.txt; exit 1; }

# Every fuzz target for FUZZTIME.
fuzz:
	scripts/fuzz

# What is too long for every change, about an hour: random operations against an
# oracle, the full list of system calls that fail, and the recordings of a real
# folder's history, step by step in every style of writing, and with 500 kills. They
# are expected in ../shared/replay.
replay:
	$(GO) test ./cmd/tocsin -run '^TestRandomOperations$$' -rapid.checks 20000 -rapid.steps 30 -timeout 4h -v
	$(GO) test ./cmd/tocsin -run '^Test(Replay|Fault)' -replay -kills 250 -parallel 4 -timeout 4h -v

# The daemon in use for SOAK: edits, reloads with other sinks, clients that poll. What
# it holds must not grow.
soak:
	$(GO) test ./cmd/tocsin -run '^TestSoak$$' -soak $(SOAK) -timeout 24h -v

# The feeds of the seeds before validators and readers (scripts/install-feed-tools).
feeds: build
	TOCSIN=$(CURDIR)/bin/tocsin scripts/check-build seeds
	TOCSIN=$(CURDIR)/bin/tocsin scripts/check-readers

# The pages in a browser (scripts/install-page-tools), with a picture of each.
pages: build
	TOCSIN=$(CURDIR)/bin/tocsin scripts/check-pages bin/pages

# The alert rules and the dashboard before promtool (scripts/install-metrics-tools).
metrics:
	scripts/check-metrics

# The Debian package of this machine's architecture, in bin/release.
deb:
	packaging/build bin/release $$($(GO) env GOARCH)

# All that is given to users: static binaries, Debian packages, bills of materials and
# SHA256SUMS, in bin/release.
release:
	packaging/build bin/release

# The package on real systems of Debian 12 and 13 (scripts/install-service-tools).
service:
	scripts/check-service
