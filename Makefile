# With Go, git and make everything but test-real works; `make` lists the targets.

BIN     := bin/argocd-image-updater
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
KO      := tool -modfile=$(CURDIR)/tools/ko/go.mod ko
LINT    := tool -modfile=$(CURDIR)/tools/go.mod golangci-lint
CODEGEN := tool -modfile=$(CURDIR)/tools/gen/go.mod controller-gen

# The race detector needs a C compiler; without one the tests run without it.
CAN_RACE := $(shell [ "$$(go env CGO_ENABLED)" = 1 ] && command -v "$$(go env CC)" >/dev/null 2>&1 && echo yes)
RACE     := $(if $(CAN_RACE),-race)

# sbin is where Debian keeps sshd, and not everybody looks there.
export PATH := $(PATH):/usr/sbin:/usr/local/sbin

.DEFAULT_GOAL := help
.PHONY: help build image demo test test-real test-cluster test-install cluster lint bench bench-cluster fuzz gen

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

build: ## build bin/argocd-image-updater
	go build -trimpath -buildvcs=auto -ldflags "-s -w -X argocd-image-updater/internal/cli.version=$(VERSION)" -o $(BIN) ./cmd/argocd-image-updater

image: ## build the image and push it to the repository that KO_DOCKER_REPO names
	@[ -n "$(KO_DOCKER_REPO)" ] || { echo "KO_DOCKER_REPO is not set: name a repository of yours, such as registry.example.com/team/argocd-image-updater" >&2; exit 1; }
	VERSION=$(VERSION) go $(KO) build --bare --tags $(VERSION) --image-user 1000:1000 \
		--image-label org.opencontainers.image.title=argocd-image-updater \
		--image-label org.opencontainers.image.version=$(VERSION) \
		--image-label org.opencontainers.image.revision=$(shell git rev-parse HEAD 2>/dev/null) \
		--image-label org.opencontainers.image.licenses=Apache-2.0 \
		./cmd/argocd-image-updater

demo: build ## watch the updater do its main job against an embedded registry and Git repository
	$(BIN) demo

test: ## run all tests that need nothing but Go and git
	@$(if $(RACE),,echo "no C compiler: testing without the race detector")
	go test $(RACE) ./...
	go -C test/e2e test $(RACE) ./...

test-real: ## run the tests against a docker-registry and an sshd of this machine
	@command -v docker-registry >/dev/null && command -v sshd >/dev/null || \
		{ echo "docker-registry and sshd are needed: apt-get install docker-registry openssh-server" >&2; exit 1; }
	go -C test/e2e test -count=1 -tags real -run '^TestReal' ./...

test-cluster: ## run the tests against a kube-apiserver and an etcd, which are built once
	go -C test/cluster run ./build
	go -C test/cluster test $(RACE) -count=1 ./...

test-install: ## test what is installed; the first run builds Helm, ko and the image, which takes minutes
	go -C test/install test -count=1 -timeout 30m ./...

cluster: build ## start a kube-apiserver to play with, with Applications, a registry and a Git server
	go -C test/cluster build -o ../../bin/cluster ./up
	cd test/cluster && exec ../../bin/cluster

bench-cluster: build ## measure large fleets of a kube-apiserver: time, memory, and how soon a tag arrives
	cd test/cluster && go run ./bench -binary ../../$(BIN)

lint: ## check format and style
	@files=$$(gofmt -l .); [ -z "$$files" ] || { echo "run gofmt -w on:"; echo "$$files"; exit 1; } >&2
	go $(LINT) run ./...
	go -C test/e2e $(LINT) run --build-tags real ./...
	go -C test/cluster $(LINT) run ./...
	go -C test/install $(LINT) run ./...

bench: build ## measure: time and memory of the pure rooms, and a large fleet from end to end
	go test -run '^$$' -bench . -benchmem ./...
	go run ./internal/itest/bench -binary $(BIN)

# How long each parser is tried: a number of inputs, or a duration.
FUZZTIME ?= 5000x

fuzz: ## try every parser with invented input
	@set -e; mkdir -p bin; for pkg in $$(go list ./...); do \
		for target in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			echo "$$pkg $$target"; \
			go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$pkg >bin/fuzz.log 2>&1 || { cat bin/fuzz.log; exit 1; }; \
		done; \
	done

gen: ## write what is generated: the import table, the ImageUpdater's schema and copies, manifests and chart
	go test . -run '^TestImportTable$$' -update
	go $(CODEGEN) object paths=./api/... crd paths=./api/... output:crd:dir=manifests/crd
	go -C test/install test -run '^(TestInstallFiles|TestChartDefinition|TestValuesAreDocumented)$$' -update
