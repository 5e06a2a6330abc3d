# SPDX-License-Identifier: GPL-2.0
# A thin front: each target is one run of a tool, which tools/bootstrap builds and starts in the root file system.
#
# KCONFIG=test|demo|demo-off|debug|kunit|off|64k  picks the kernel's configuration
# ARCH=x86_64|arm64                  is what build, run, shell, test, soak, bench, regress and mutate are for; arm64 has memory
#                                    tags, ARGS=--no-mte not
# SEEDS=, OPS=, FIRST=               how many seeds `make soak` runs, of how many operations each, from which seed on
# REPLAY=FILE                        is a sequence that a soak saved, to run in place of those of seeds
# CMD='...'                          is what `make run` runs in the guest
# KDIR=FOLDER                        is a kernel tree of your own: `make am` applies the series to it, then it is what
#                                    build, run, shell and test take
# QUICK=1                            makes `make bench` end within ten minutes
# ARGS='...'                         are further arguments for the tool

KCONFIG ?= test
ARCH ?= x86_64
KDIR ?=
SEEDS ?= 20
OPS ?= 50000
FIRST ?= 1
REPLAY ?=
LAB := tools/bootstrap lab
SERIES := tools/bootstrap series

.DEFAULT_GOAL := help
.PHONY: help demo bench regress test soak build run shell tree export fold check-sync check am bases b4 bisect mutate

build run shell test soak: export REFPAGE_KDIR = $(KDIR)
build run shell test soak bench regress mutate: export REFPAGE_ARCH = $(ARCH)

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 14

demo: ## set up what is missing, boot the kernel, show the mapping type at work with figures
	@$(LAB) demo $(ARGS)

bench: ## measure against the alternatives, with tables and charts (QUICK=1 for a short run)
	@$(LAB) bench $(if $(QUICK),--quick) $(ARGS)

regress: ## run the kernel's own tests without the series and with it, and compare (ARGS=--only=cow)
	@$(LAB) regress $(ARGS)

test: ## run everything that CI runs (KCONFIG=)
	@$(LAB) test --config $(KCONFIG) $(ARGS)

soak: ## check random operations against a model for long (SEEDS=, OPS=, FIRST=, REPLAY=, KCONFIG=)
	@$(LAB) soak --config $(KCONFIG) --seeds $(SEEDS) --ops $(OPS) --first $(FIRST) $(if $(REPLAY),--replay '$(REPLAY)') $(ARGS)

build: ## build the kernel (KCONFIG=)
	@$(LAB) build --config $(KCONFIG) $(ARGS)

run: export REFPAGE_CMD = $(value CMD)
run: ## boot the kernel and run a command in it as root (CMD=, KCONFIG=)
	@test -n "$$REFPAGE_CMD" || { echo "give a command: make run CMD='uname -a'" >&2; exit 1; }
	@$(LAB) run --config $(KCONFIG) $(ARGS) -- "$$REFPAGE_CMD"

shell: ## boot the kernel into a shell (KCONFIG=)
	@$(LAB) shell --config $(KCONFIG) $(ARGS)

tree: ## make the kernel tree: the base with the series as commits (DISCARD=1 drops what patches/ does not hold)
	@$(LAB) tree $(if $(DISCARD),--discard) $(ARGS)

export: ## write the commits of the kernel tree to patches/ and to the views
	@$(SERIES) export $(ARGS)

fold: ## bring edits of the views into the kernel tree's commits, then export
	@$(SERIES) fold $(ARGS)

check-sync: ## show that patches and views are equal (a second, no kernel tree)
	@$(SERIES) check-sync $(ARGS)

check: ## checkpatch, clippy, rustfmt, W=1, sparse, kernel-doc, rustdoc
	@$(SERIES) check $(ARGS)

am: ## apply the series to a kernel tree of your own (KDIR=)
	@test -n '$(KDIR)' || { echo 'name the kernel tree: make am KDIR=/path/to/linux' >&2; exit 1; }
	@$(SERIES) am '$(KDIR)' $(ARGS)

bases: ## show which of Debian's kernels the series applies to
	@$(SERIES) am --bases $(ARGS)

b4: ## let b4 in a kernel tree of your own use b4.toml (KDIR=)
	@test -n '$(KDIR)' || { echo 'name the kernel tree: make b4 KDIR=/path/to/linux' >&2; exit 1; }
	@$(SERIES) b4 --tree '$(KDIR)' $(ARGS)

bisect: ## build and boot every patch, option on and off
	@$(SERIES) bisect $(ARGS)

mutate: ## apply small wrong changes and show which test catches each
	@$(SERIES) mutate $(ARGS)
