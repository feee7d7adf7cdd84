# fremisn-exporter: what can be made. `make help` lists it.

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
REVISION := $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
BRANCH   := $(shell git rev-parse --abbrev-ref HEAD 2>/dev/null || echo unknown)
BUILT    := $(shell date -u +%Y-%m-%dT%H:%M:%SZ)
BUILDINFO := github.com/prometheus/common/version
LDFLAGS  := -s -w -X $(BUILDINFO).Version=$(VERSION) -X $(BUILDINFO).Revision=$(REVISION) \
            -X $(BUILDINFO).Branch=$(BRANCH) -X $(BUILDINFO).BuildDate=$(BUILT)

# The race detector, which the tests run with, needs cgo and a C compiler.
TEST_PACKAGES := gcc libc6-dev=/usr/include/stdio.h nginx prometheus prometheus-alertmanager=amtool prometheus-nginx-exporter \
                 prometheus-blackbox-exporter apache2-utils=ab shellcheck chromium logrotate curl jq openssl iproute2=ip \
                 procps=ps docker-compose

.DEFAULT_GOAL := build

.PHONY: build
build: ## build ./fremisn-exporter: static, stripped, version stamped
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o fremisn-exporter ./cmd/fremisn-exporter

.PHONY: test
test: ## install what the tests need and run all of them
	@.ci/deps $(TEST_PACKAGES)
	go test -race -shuffle=on -timeout 30m ./...

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
