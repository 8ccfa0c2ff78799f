# What a contributor types. Each target installs what it needs first, and does nothing when there is nothing to do.
# scripts/setup puts a current Node into .node/ where the machine has none or an old one, so .node/bin comes first.
export PATH := $(CURDIR)/.node/bin:$(PATH):/usr/sbin:/sbin
# Through a shell always: make's own lookup of simple commands would use the PATH it was started with.
SHELL := /bin/bash
.SHELLFLAGS := -e -o pipefail -c
.DEFAULT_GOAL := help
# Every target is a word to type, none a file: those that `make help` lists.
.PHONY: $(shell sed -n 's/^\([a-z-]*\):.*\#\# .*/\1/p' Makefile)

help: ## print this list
	@awk -F ': .*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

setup: ## install what is missing: Debian packages (as root), Node into .node/, npm packages
	@scripts/setup

build: setup ## compile TypeScript into dist/
	@npm run --silent build

lint: build ## format check, lint with types
	@npm run --silent format:check
	@npm run --silent lint

test: build ## all tests; as root also the live ones, in network namespaces of their own
	@npm test --silent

test-node: setup ## all tests with another Node, in a copy of this tree (NODE=20, 24 or 26)
	@scripts/test-node $(NODE)

oracle: build ## 100,000 random pairs of a policy and a packet: nsgd and the kernel's nftables must agree (root, nft)
	@NSGD_ORACLE_PAIRS=100000 npx vitest run test/policy/export/nftables.test.ts

attach-loop: build ## host mode 50 times: connections live through attach, reload, crash, restart and detach (root; ROUNDS=50)
	@NSGD_ATTACH_ROUNDS=$(or $(ROUNDS),50) npx vitest run test/e2e/attach.test.ts -t 'connections live through'

demo: build ## real traffic through nsgd between network namespaces (root), else a replayed capture
	@node dist/demo/main.js

bench: build ## time every step of a packet's path, one case per process (BENCH="--quick decode": options, names)
	@node dist/bench/hot-path/main.js $(BENCH)

bench-setup: setup ## install what the other benchmarks need: the peers that nsgd is compared with (as root)
	@bench/setup

bench-matcher: build ## the matcher beside dpdk-test-acl, on the same rule sets
	@node dist/bench/matcher/main.js $(BENCH)

bench-inline: build ## nsgd and its peers between a generator and a sink (root; BENCH="--plan compare")
	@node dist/bench/tcpreplay/main.js $(BENCH)

bench-memory: build ## memory by number of flows, beside npm lru-cache
	@node dist/bench/memory/main.js $(BENCH)

bench-pauses: build ## the longest pause that expiry makes between two packets
	@node dist/bench/pauses/main.js

bench-diff: build ## the semantic diff, 1,000 rules against 1,000, with service tags
	@node dist/bench/diff/main.js

bench-overload: build ## floods beside one established transfer: what is left of it (root)
	@node dist/bench/overload/main.js $(BENCH)

bench-acceptance: build ## the checks of docs/RELIABILITY.md that take a load (root; 16 minutes; BENCH="--checks 1,24 --seconds 5")
	@node dist/bench/acceptance/main.js $(BENCH)

bench-soak: build ## an hour of load, churn and reloads: does anything grow (root; BENCH="--minutes 10")
	@node dist/bench/soak/main.js $(BENCH)

bench-report: build ## bench/REPORT.md and its plots from what the benchmarks wrote
	@node dist/bench/report/main.js

fuzz: build ## mutated frames, capture files, configurations, requests, segments; most also guided by coverage (FUZZ="guided-frames --cases 1000000 --seed 7", "--seconds 3600")
	@node dist/test/fuzz/main.js $(FUZZ)

coverage: build ## lines and branches of the decoder that the tests of frames and the fuzzer take: 95 % at least
	@npx vitest run --coverage test/capture/decode test/capture/wire test/fuzz

hostile: build ## the catalogue of hostile traffic: row, reference, expected, seen (root; HOSTILE="--json", "--offline")
	@node dist/test/hostile/main.js $(HOSTILE)

captures: build ## every capture of ../shared/data/pcaps through live wires with tcpreplay, every frame accounted for (root; 3 minutes)
	@NSGD_CAPTURES=all npx vitest run test/hostile/captures.test.ts

bench-scrape: build ## how long /metrics takes while packets take all there is (root; BENCH="--seconds 20")
	@node dist/bench/scrape/main.js $(BENCH)

dashboards: build ## the JSON of the Grafana dashboards from their sources in grafana/
	@node dist/grafana/main.js

dashboard-pictures: build ## their pictures in docs/images/, from a live nsgd (root; needs Debian's chromium and pngquant)
	@node dist/bench/pictures/main.js

deb: setup ## a Debian package of what is committed
	@packaging/build-deb

deb-test: ## install, run, upgrade, remove and purge that package in a clean Debian root (as root; needs debootstrap)
	@packaging/test-deb $$(ls -t nsgd_*.deb | head -n 1)

audit: setup ## known weaknesses of the packages that are installed with nsgd, and their list (nsgd.cdx.json)
	@scripts/audit

faults: build ## kill, stop, fill, flap and damage what the daemon stands on, the kills a hundred times (as root; 15 minutes)
	@NSGD_FAULT_ROUNDS=100 npx vitest run test/faults

check: lint test ## lint and test: what has to pass before a commit
