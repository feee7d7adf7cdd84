# fremisn-exporter: what can be made. `make help` lists it.

VERSION  ?= $(shell compose/package/version.sh 2>/dev/null || cat VERSION)
REVISION := $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
BRANCH   := $(shell git rev-parse --abbrev-ref HEAD 2>/dev/null || echo unknown)
BUILT    := $(shell date -u +%Y-%m-%dT%H:%M:%SZ)
BUILDINFO := github.com/prometheus/common/version
LDFLAGS  := -s -w -X $(BUILDINFO).Version=$(VERSION) -X $(BUILDINFO).Revision=$(REVISION) \
            -X $(BUILDINFO).Branch=$(BRANCH) -X $(BUILDINFO).BuildDate=$(BUILT)

# The race detector, which the tests run with, needs cgo and a C compiler.
TEST_PACKAGES := gcc libc6-dev=/usr/include/stdio.h nginx prometheus prometheus-alertmanager=amtool \
                 prometheus-nginx-exporter prometheus-blackbox-exporter apache2-utils=ab shellcheck chromium logrotate \
                 curl jq openssl iproute2=ip procps=ps docker-compose systemd=systemd-analyze strace victoria-metrics \
                 lintian libnginx-mod-stream=/usr/lib/nginx/modules/ngx_stream_module.so
FUZZTIME ?= 1m
TORTURE_KILLS ?= 1000

# A Go that is too old complains of the file go.mod, and says nothing of what to do.
NEED_GO = said=$$(go list -m 2>&1) || { echo "$$said"; \
  echo "This needs Go $$(sed -n 's/^go //p' go.mod) or later, first in PATH; Debian's may be too old: see README"; \
  exit 1; }

.DEFAULT_GOAL := build

.PHONY: build
build: ## build ./fremisn-exporter: static, stripped, version stamped
	@$(NEED_GO)
	@echo "building ./fremisn-exporter $(VERSION)"
	@CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o fremisn-exporter ./cmd/fremisn-exporter

.PHONY: demo
demo: ## real NGINX and Prometheus, simulated nodes, traffic with faults; DEMO_SECONDS=N ends it by itself
	@.ci/deps nginx prometheus
	@$(MAKE) --no-print-directory build
	@demo="$${TMPDIR:-/tmp}/fremisn-demo.$$$$"; go build -o "$$demo" ./cmd/fremisn-demo && \
	  trap 'rm -f "$$demo"' EXIT INT TERM && "$$demo"

.PHONY: test
test: ## install what the tests need and run all of them
	@.ci/deps $(TEST_PACKAGES)
	go test -race -shuffle=on -timeout 30m ./...

.PHONY: lint
lint: ## formatting, vet, staticcheck, dead code, sizes, shell, spelling, links, both languages, rules, dashboards
	@.ci/deps shellcheck codespell prometheus=promtool prometheus-alertmanager=amtool
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "gofmt would change these files"; exit 1; }
	go vet ./...
	go run honnef.co/go/tools/cmd/staticcheck@v0.6.1 ./...
	@dead=$$(go run golang.org/x/tools/cmd/deadcode@v0.52.0 -test ./...) && test -z "$$dead" || \
	  { echo "dead code: $$dead"; exit 1; }
	go test -tags lint -run '^TestLintSizes$$' ./cmd/fremisn-exporter
	cd dashboards/gen && go vet ./... && go run honnef.co/go/tools/cmd/staticcheck@v0.6.1 ./...
	cd alerts/mixin && go vet ./... && go run honnef.co/go/tools/cmd/staticcheck@v0.6.1 ./...
	shellcheck .ci/run .ci/deps .ci/block $(wildcard compose/*.sh compose/*/*.sh)
	codespell -L upto,inflight,atleast,inforce,te,flate,foto,canbe $$(git ls-files '*.md' '*.go' '*.sh' '*.yml' \
	  '*.html' Makefile ':!README.id.md' ':!alerts/runbooks/id' ':!*_test.go' ':!*/testdata/*')
	go test -run '^Test(Links|LanguagesInStep|ProseWidth|ContributingPaths)$$' ./cmd/fremisn-exporter
	$(if $(wildcard alerts/*.rules.yml),promtool check rules $(wildcard alerts/*.rules.yml))
	go test -run '^Test(Lint|MetricsExist|QueriesParse|Generated|Generator)$$' ./dashboards

.PHONY: dashboards
dashboards: ## generate dashboards/*.json
	cd dashboards/gen && go run .

.PHONY: kubernetes
kubernetes: ## render compose/kubernetes/prometheusrule.yaml from alerts/mixin.libsonnet
	cd alerts/mixin && go run .

.PHONY: dashboards-preview
PREVIEW_MINUTES ?= 15
dashboards-preview: build ## pictures of the dashboards after PREVIEW_MINUTES (15) of the demo; needs Node, the network
	@.ci/deps nginx prometheus chromium nodejs=node npm
	cd dashboards/preview && npm ci --ignore-scripts --no-audit --no-fund
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT INT TERM && \
	  go build -o "$$dir/fremisn-demo" ./cmd/fremisn-demo && \
	  node dashboards/preview/preview.mjs $(PREVIEW_MINUTES) "$$dir/fremisn-demo" ./fremisn-exporter alerts

.PHONY: bench
bench: build ## ratios: the binary against a bare loop, mtail and the old exporters; then Go's benchmarks
	@.ci/deps mtail prometheus-nginx-exporter prometheus-blackbox-exporter
	go run ./cmd/fremisn-bench --exporter ./fremisn-exporter
	go test -run '^$$' -bench . -benchmem ./collector/... ./probe/... ./cmd/fremisn-exporter/internal/web

.PHONY: profile
PGO := cmd/fremisn-exporter/default.pgo
profile: ## add to cmd/fremisn-exporter/default.pgo where lines spend their time, for the compiler; on an idle machine
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT INT TERM && go test -run '^$$' -bench '^BenchmarkLines$$/mixed' \
	  -benchtime 200x -cpu 1 -cpuprofile "$$dir/new" -o "$$dir/test" ./collector/internal/accesslog && \
	  go tool pprof -proto -output "$$dir/both" "$$dir/new" $(PGO) && mv "$$dir/both" $(PGO)

.PHONY: torture
torture: ## the crash harness in its long form: TORTURE_KILLS (1000) times kill -9, while the log is written and rotated
	TORTURE_KILLS=$(TORTURE_KILLS) go test -race -count=1 -v -timeout 60m -run '^TestTorture$$' ./cmd/fremisn-exporter

.PHONY: soak
SOAK_MINUTES ?= 60
soak: build ## SOAK_MINUTES (60) of 20,000 lines a second, rotations, kills, reloads, full disks, open pages; 3 GB
	@.ci/deps nginx prometheus
	go run ./cmd/fremisn-bench soak --minutes $(SOAK_MINUTES)

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (1m)
	@for package in $$(go list ./...); do \
	  for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz'); do \
	    echo "$$package $$target"; \
	    go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$package || exit 1; \
	  done; \
	done

.PHONY: package
package: build ## a Debian package with a hardened systemd unit, into dist/
	VERSION='$(VERSION)' compose/package/build.sh fremisn-exporter dist

.PHONY: release
release: ## a release into dist/: binaries, packages, checksums, a bill of materials; the same bytes each time
	@$(NEED_GO)
	compose/package/release.sh

.PHONY: test-package
test-package: build ## install, upgrade and purge the package on a real Debian under systemd, in a container; needs root
	@.ci/deps debootstrap systemd-container=systemd-nspawn
	compose/package/test-package.sh

.PHONY: test-newcomer
test-newcomer: ## README's first screens on a minimal Debian, from the package and from source; needs root
	@.ci/deps debootstrap systemd-container=systemd-nspawn
	compose/package/test-newcomer.sh

.PHONY: test-compose
test-compose: ## the stack and the overlay under a real Docker daemon, with stand-in images; needs root, about 10 GB
	@.ci/deps docker.io=dockerd docker-compose debootstrap prometheus prometheus-alertmanager \
	  prometheus-nginx-exporter prometheus-blackbox-exporter apache2-utils=ab curl jq procps=ps iproute2=ip \
	  util-linux=unshare
	compose/test-compose.sh

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
