# kube-smcroute. "make" alone lists what can be made.
#
# Needed: GNU make and Go. What a target needs beyond that it installs with
# apt-get when run by root, or else leaves out with a sentence that says so.

# Where "make install" puts things. DESTDIR is for packagers.
PREFIX      ?= /usr/local
SYSCONFDIR  ?= /etc
RUNSTATEDIR ?= /run
SBINDIR     ?= $(PREFIX)/sbin
MANDIR      ?= $(PREFIX)/share/man
DOCDIR      ?= $(PREFIX)/share/doc/kube-smcroute
UNITDIR     ?= $(PREFIX)/lib/systemd/system
DESTDIR     ?=

# From the latest tag, "1.2.3" or "1.2.3-4-g0123abc"; before the first tag
# "0.0.0-g0123abc".
VERSION ?= $(or $(patsubst v%,%,$(shell git describe --tags --match 'v[0-9]*' --dirty 2>/dev/null)),$(addprefix 0.0.0-g,$(shell git describe --always --dirty 2>/dev/null)),devel)

SHELL := /bin/bash
GO    ?= go
export GO
BIN   := bin
DIST  := dist

# One way to compile for programs, checks, tools and Kubernetes alike, so that
# each package is compiled once; only the race detector needs another. What grpc
# would trace with links package html/template, for which the linker has to keep all
# methods of all types: a quarter of smcroute-agent.
export CGO_ENABLED := 0
export GOFLAGS := $(strip -buildvcs=false -trimpath -tags=grpcnotrace $(GOFLAGS))

BARE_METAL := ./cmd/smcrouted ./cmd/smcroutectl ./cmd/smcroute-keeper
KUBERNETES := ./cmd/smcroute-agent ./cmd/smcroute-controller ./cmd/smcroute-probe ./cmd/mcast
PEOPLE     := ./cmd/kubectl-multicast

MODULE  := github.com/smcroute/kube-smcroute
NETLAB  := $(MODULE)/test/netlab
LDFLAGS := -s -w \
	-X $(MODULE)/cmd/internal/install.Version=$(VERSION) \
	-X $(MODULE)/cmd/internal/install.SysConfDir=$(SYSCONFDIR) \
	-X $(MODULE)/cmd/internal/install.RunStateDir=$(RUNSTATEDIR)
TOOL := $(GO) tool -modfile=hack/tools/go.mod

# Packages whose tests make network namespaces, and those whose tests don't.
# Expanded when used, so "make help" does not wait for them.
all_pkgs    = $(shell $(GO) list ./...)
uses_netlab = $(GO) list -f '{{$$p := .ImportPath}}{{range .TestImports}}{{if or (eq . "$(NETLAB)") (eq . "$(MODULE)/test/programs")}}{{$$p}} {{end}}{{end}}{{range .XTestImports}}{{if or (eq . "$(NETLAB)") (eq . "$(MODULE)/test/programs")}}{{$$p}} {{end}}{{end}}' ./...
netlab_pkgs = $(sort $(shell $(uses_netlab)) $(NETLAB))
driven_pkgs = $(filter $(addsuffix %,$(addprefix $(MODULE)/test/,script interop bench api cluster chaos systemd page)),$(all_pkgs))
# These start programs of Kubernetes, one after the other: there are two processors.
k8s_pkgs    = $(filter $(addprefix $(MODULE)/,test/api test/clusterlab test/cluster hack/cluster),$(all_pkgs))
kernel_pkgs = $(filter-out $(driven_pkgs),$(netlab_pkgs))
unit_pkgs   = $(filter-out $(driven_pkgs) $(kernel_pkgs),$(all_pkgs))

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' Makefile | expand -t 24
	@echo
	@echo "Variables: PREFIX=$(PREFIX) SYSCONFDIR=$(SYSCONFDIR) RUNSTATEDIR=$(RUNSTATEDIR) DESTDIR=$(DESTDIR)"

# A sentence instead of "go: command not found".
.PHONY: go
go:
	@command -v $(GO) >/dev/null || { \
		echo "make: there is no '$(GO)' in PATH: install Go $$(sed -n 's/^go //p' go.mod) or later (https://go.dev/dl), or name it with GO=/path/to/go" >&2; exit 1; }

# Says so before it builds Kubernetes.
.PHONY: root
root:
	@[ "$$(id -u)" = 0 ] || { \
		echo "make: a cluster needs root: containers and their mounts are the kernel's business (with sudo: sudo env PATH=\"\$$PATH\" make ...)" >&2; exit 1; }

##@ Build

.PHONY: build
build: go ## build the static binaries into bin/: daemon, client, keeper, those for Kubernetes, and the plug-in of kubectl
	$(GO) build -ldflags '$(LDFLAGS)' -o $(BIN)/ $(BARE_METAL) $(KUBERNETES) $(PEOPLE)

.PHONY: build-bare-metal
build-bare-metal: go ## build those for bare metal alone, which is much less to compile
	$(GO) build -ldflags '$(LDFLAGS)' -o $(BIN)/ $(BARE_METAL)

.PHONY: generate
generate: go ## make deep copies, CRDs, RBAC roles and docs/api.md from the types and markers
	hack/generate

.PHONY: manifests
manifests: generate ## the same

.PHONY: clean
clean: ## remove what was built
	rm -rf $(BIN) $(DIST)

.PHONY: krew
krew: go ## kubectl multicast for people's machines, and its manifest for krew, into dist/krew (KREW="-platforms linux/amd64")
	$(GO) run ./hack/krew -version $(VERSION) -o $(DIST)/krew $(KREW)

##@ Test

.PHONY: test
test: go lint ## all tests and checks; those on Kubernetes if it is built (make kubebox), or CI is set
	@hack/smcroute
	@hack/cluster/packages
	@hack/chromium
	hack/gotest -count=1 -timeout=15m $(filter-out $(k8s_pkgs),$(all_pkgs))
	@if [ -n "$$CI" ]; then hack/kubebox/build; else hack/kubebox/build -path || echo "make: so tests on Kubernetes are skipped" >&2; fi >/dev/null
	hack/in-time $(GO) test -count=1 -timeout=15m ./test/api
	hack/in-time $(GO) test -count=1 -timeout=15m -p=1 ./test/clusterlab ./hack/cluster
	hack/in-time $(GO) test -count=1 -timeout=30m ./test/cluster

.PHONY: test-unit
test-unit: go ## tests that need nothing of the system
	hack/gotest $(unit_pkgs)

.PHONY: test-kernel
test-kernel: go ## tests on the real kernel, in namespaces of their own; no root needed
	hack/gotest -count=1 $(kernel_pkgs)

.PHONY: test-script
test-script: go ## scenarios that drive the real binaries in namespaces
	hack/gotest -count=1 ./test/script

.PHONY: test-interop
test-interop: go ## with the original smcrouted and smcroutectl of Debian
	@hack/smcroute
	hack/gotest -count=1 -v ./test/interop/...

.PHONY: kubebox
kubebox: go ## etcd and Kubernetes, built from source once and kept in ~/.cache
	@GO="$(GO)" hack/kubebox/build

.PHONY: test-api
test-api: go kubebox ## the operator against a real API server, with agents on nodes in namespaces
	$(GO) test -count=1 -v -timeout=15m ./test/api

.PHONY: test-cluster
test-cluster: root go kubebox ## image and chart on a real cluster: three kubelets in namespaces; as root
	@hack/cluster/packages
	$(GO) test -count=1 -v -timeout=30m ./test/cluster

.PHONY: chaos
chaos: go ## ten minutes of random kills, changes and flaps, with streams that must not lose a packet
	CHAOS_TIME=$${CHAOS_TIME-10m} $(GO) test -count=1 -v -timeout=2h ./test/chaos

.PHONY: lint
lint: go ## gofmt, go vet, staticcheck, and what is generated; import rules are in hack/imports
	@files=$$(git ls-files -- '*.go' 2>/dev/null | xargs -r ls 2>/dev/null); files=$$($$($(GO) env GOROOT)/bin/gofmt -l $${files:-.}); \
	if [ -n "$$files" ]; then echo "not formatted, run gofmt -w on:" >&2; echo "$$files" >&2; exit 1; fi
	$(GO) vet ./...
	$(TOOL) staticcheck ./...
	hack/generate -check

.PHONY: fuzz
fuzz: go ## every fuzz target for a short time (FUZZTIME=10s)
	hack/fuzz

.PHONY: bench
bench: go ## against SMCRoute, other routers and a bare loop, in one table (BENCH="-only start")
	@hack/smcroute
	$(GO) run ./test/bench -rivals "$$(hack/rivals)" $(BENCH)

.PHONY: fleet
fleet: go kubebox ## the agents of 1,000 nodes, simulated, against a real API server (FLEET="-agents 5000")
	$(GO) run ./test/bench/fleet $(FLEET)

# What a part costs, for benchstat: docs/performance.md has an example.
BENCH_GO = ./agent/conf ./agent/plan ./agent/core ./agent/engine ./agent/kernel/linux
.PHONY: bench-go
bench-go: go ## Go benchmarks of the parts, with allocations (BENCH="-bench Learn -count=10")
	$(GO) test -run '^$$' -bench . -benchmem $(BENCH_GO) $(BENCH)

.PHONY: benchstat
benchstat: go ## compare what "make bench-go" printed of two commits (BENCH="old.txt new.txt")
	$(TOOL) benchstat $(BENCH)

##@ Try

.PHONY: demo
demo: build ## send multicast through a router in namespaces and show what happens
	$(GO) run ./hack/demo -bin $(BIN)

.PHONY: lab
lab: build ## a shell on that router, with send and recv at hand
	$(GO) run ./hack/demo -bin $(BIN) -shell

.PHONY: demo-k8s
demo-k8s: build kubebox ## the operator: an API server, two nodes, real packets, and a KUBECONFIG to play with
	$(GO) build -o $(BIN)/demo-k8s ./hack/demo-k8s
	@# Not by "go run", so that a signal gets there.
	@exec $(BIN)/demo-k8s -bin $(BIN)

.PHONY: cluster-up
cluster-up: root go kubebox ## a cluster of three kubelets in namespaces, with a KUBECONFIG to play with; as root
	@hack/cluster/packages
	$(GO) build -o $(BIN)/ ./hack/cluster
	$(BIN)/cluster up

.PHONY: cluster-down
cluster-down: go ## end it, and remove all of it
	$(GO) build -o $(BIN)/ ./hack/cluster
	$(BIN)/cluster down

##@ Package

.PHONY: image
image: go ## the container image, amd64 and arm64, into dist/, without a container engine
	$(GO) run ./hack/image -version $(VERSION) -o $(DIST)

.PHONY: chart
chart: go ## the Helm chart, for that image, into dist/
	$(TOOL) helm package charts/kube-smcroute --version $(patsubst devel,0.0.0-devel,$(VERSION)) --app-version $(VERSION) --destination $(DIST)

##@ Install

.PHONY: install
install: build-bare-metal ## binaries, manual pages, systemd unit, defaults and example
	install -d $(DESTDIR)$(SBINDIR) $(DESTDIR)$(MANDIR)/man5 $(DESTDIR)$(MANDIR)/man8 \
		$(DESTDIR)$(UNITDIR) $(DESTDIR)$(DOCDIR) $(DESTDIR)$(SYSCONFDIR)/default
	install -m 755 $(addprefix $(BIN)/,$(notdir $(BARE_METAL))) $(DESTDIR)$(SBINDIR)
	install -m 644 man/*.5 $(DESTDIR)$(MANDIR)/man5
	install -m 644 $(patsubst %,man/%.8,$(notdir $(BARE_METAL))) $(DESTDIR)$(MANDIR)/man8
	install -m 644 docs/smcroute.conf.example $(DESTDIR)$(DOCDIR)
	sed -e '1{/^# "make install"/d}' -e 's|@SBINDIR@|$(SBINDIR)|g' -e 's|@SYSCONFDIR@|$(SYSCONFDIR)|g' -e 's|@RUNSTATEDIR@|$(RUNSTATEDIR)|g' \
		init/smcroute.service.in >$(DESTDIR)$(UNITDIR)/smcroute.service
	chmod 644 $(DESTDIR)$(UNITDIR)/smcroute.service
	@# The administrator's file is not overwritten.
	[ -e $(DESTDIR)$(SYSCONFDIR)/default/smcroute ] || \
		install -m 644 init/smcroute.default $(DESTDIR)$(SYSCONFDIR)/default/smcroute

.PHONY: uninstall
uninstall: ## remove what install put there, but no configuration
	rm -f $(addprefix $(DESTDIR)$(SBINDIR)/,$(notdir $(BARE_METAL))) \
		$(addprefix $(DESTDIR)$(MANDIR)/,man5/smcroute.conf.5 $(patsubst %,man8/%.8,$(notdir $(BARE_METAL)))) \
		$(DESTDIR)$(UNITDIR)/smcroute.service
	rm -rf $(DESTDIR)$(DOCDIR)
