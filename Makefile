# Go, make and, for the race detector, a C compiler are all that is needed.

GO      ?= go
BIN     ?= bin
DIST    ?= dist
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)
# The module's own path, which make module changes.
THIS    := $(shell awk '$$1 == "module" { print $$2 }' go.mod)
LDFLAGS := -X $(THIS)/internal/buildinfo.version=$(VERSION)

# The race detector is C: without a compiler the tests run without it.
HAVE_CC := $(shell command -v $(firstword $(shell CGO_ENABLED=1 $(GO) env CC)) 2>/dev/null)

TEST_TIMEOUT ?= 20m
TEST_FLAGS   ?=
BENCH        ?= .
BENCH_COUNT  ?= 1

# Tools are pinned in tools.mod, apart from the programs' own modules. The
# first use builds them: golangci-lint takes some minutes on a small machine.
# Without cgo, as the programs: what lint has compiled, build and test need not.
TOOL := CGO_ENABLED=0 $(GO) tool -modfile=tools.mod

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: build ## Build, and run the whole system on this machine until ctrl-C
	$(BIN)/nanofront up

.PHONY: build
build: ## Build the programs into bin/
	@test -x $(BIN)/nanofront || echo "building the programs; the first build takes some minutes on a small machine"
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/ ./cmd/...

.PHONY: test
test: ## Run all tests, with the race detector if there is a C compiler
ifeq ($(HAVE_CC),)
	@echo "no C compiler found: testing without the race detector (install gcc to have it)"
	CGO_ENABLED=0 $(GO) test $(TEST_FLAGS) -timeout $(TEST_TIMEOUT) ./...
else
	CGO_ENABLED=1 $(GO) test -race $(TEST_FLAGS) -timeout $(TEST_TIMEOUT) ./...
	@echo "once more without the race detector, which allocates itself: the tests that count allocations"
	CGO_ENABLED=0 $(GO) test $(TEST_FLAGS) -run 'Alloc' -timeout $(TEST_TIMEOUT) ./nanobus/... ./handlers/... ./terminator/... ./httpmsg
endif

.PHONY: race
race: ## Run all tests with the race detector, or fail if it can't run
ifeq ($(HAVE_CC),)
	@echo "the race detector needs a C compiler: install gcc, or use make test" >&2; exit 1
else
	CGO_ENABLED=1 $(GO) test -race -timeout $(TEST_TIMEOUT) ./...
endif

.PHONY: lint
lint: ## Check the code: go vet, also of what isn't for Linux, gofumpt, golangci-lint
	CGO_ENABLED=0 $(GO) vet ./...
	GOOS=darwin CGO_ENABLED=0 $(GO) vet ./...
	$(TOOL) golangci-lint run
	@echo "lint: nothing to complain about"

.PHONY: fmt
fmt: ## Format the code as lint wants it
	$(TOOL) golangci-lint fmt

# Manual pages and completions are what the programs themselves say.
.PHONY: packages
packages: build ## Make a .deb and an .rpm in dist/
	@rm -rf $(DIST)/root && mkdir -p $(DIST)/root/man $(DIST)/root/completion
	@for p in nanofront terminator handler bench; do \
		$(BIN)/$$p __man | gzip -9n >$(DIST)/root/man/$$p.1.gz || exit 1; \
		cp $(BIN)/$$p $(DIST)/root/$$p || exit 1; \
	done
	@for s in bash zsh fish; do $(BIN)/nanofront completion $$s >$(DIST)/root/completion/nanofront.$$s || exit 1; done
	@for f in deb rpm; do \
		PACKAGE_VERSION='$(patsubst v%,%,$(or $(VERSION),0.0.0))' PACKAGE_ARCH="$$($(GO) env GOARCH)" PACKAGE_ROOT='$(DIST)/root' \
		$(TOOL) nfpm package --config deploy/packages/nfpm.yaml --packager $$f --target $(DIST)/ || exit 1; \
	done

.PHONY: bench
bench: build ## Measure the system, beside others, and report (about five minutes)
	$(BIN)/bench run $(BENCH_ARGS)

.PHONY: chaos
chaos: build ## Inject faults into a system under load, and check its books (about five minutes)
	$(BIN)/bench chaos $(CHAOS_ARGS)

.PHONY: gobench
gobench: ## Run the Go benchmarks; benchstat reads the output
	@$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -count $(BENCH_COUNT) \
		./nanobus/... ./terminator/... ./httpmsg/... ./handlers/...

.PHONY: bench-peers
bench-peers: ## Compare the bus with others' request/reply: ARGS='-rounds 5 -callers 256'
	$(GO) run ./bench/rivals $(ARGS)

.PHONY: module
module: ## Rename the module, to publish it: MODULE=example.org/you/nanofront
	@echo '$(MODULE)' | grep -Eq '^[a-z0-9-]+(\.[a-z0-9-]+)+(/[A-Za-z0-9._-]+)+$$' || \
		{ echo "say where it will be: make module MODULE=example.org/you/nanofront" >&2; exit 2; }
	@find . \( -name .git -o -path './$(BIN)' -o -path ./data \) -prune -o -type f \( -name '*.go' -o -name '*.md' -o -name '*.tmpl' \) -print | \
		xargs sed -i.old -E -e 's#"$(subst .,\.,$(THIS))/([a-z])#"$(MODULE)/\1#g' -e 's#-replace $(subst .,\.,$(THIS))=#-replace $(MODULE)=#'
	@find . -name .git -prune -o -name go.mod -print | \
		xargs sed -i.old -E 's#(^|[[:space:]])$(subst .,\.,$(THIS))([[:space:]]|$$)#\1$(MODULE)\2#g'
	@find . -name '*.old' -exec rm -f {} +
	@echo "renamed $(THIS) to $(MODULE); make test tells whether all follows"

.PHONY: clean
clean: ## Remove what build made (the data in data/ stays)
	rm -rf $(BIN)
