# GNU make. `make help` lists the targets.
#
# A library is its folder src/NAME; an executable lares-NAME is src/FOLDER/NAME.c or the folder
# src/FOLDER/NAME. The only lists are package/layers and package/programs, which configure turns
# into build.mk. Everything that is made lies below $(BUILD), so that builds with different
# flags live side by side: make BUILD=build/other CC=clang CFLAGS=-O0

BUILD ?= build
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules
SHELL := /bin/sh

# These need no compiler and are to work before anything is installed.
UNCONFIGURED := deps peers format help clean distclean dist
GOALS := $(or $(MAKECMDGOALS),all)

ifneq ($(filter deps,$(GOALS)),)
# What the other goals need is there only once deps has run, so they get a make of their own.
# (The part of `make deps` itself is at the end of this branch.)
AFTER := $(filter-out deps,$(GOALS))
.PHONY: deps $(AFTER)
.NOTPARALLEL:
deps:
	sh package/install-dependencies $(FOR)
$(AFTER): deps
	$(MAKE) $@
else

ifneq ($(filter-out $(UNCONFIGURED),$(GOALS)),)
include build.mk
build.mk: configure package/info package/layers package/programs
	./configure $(CONFIGURE_ARGUMENTS)
endif

# --- flags -----------------------------------------------------------------------------------

# What the sources need, whatever CFLAGS says.
STANDARD := -std=c11 -D_POSIX_C_SOURCE=200809L -D_XOPEN_SOURCE=700
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
ifeq ($(WERROR),yes)
WARNINGS += -Werror
endif
SECTIONS := -ffunction-sections -fdata-sections

# An idle supervisor is mostly page tables and pages that were written once; there is one per
# service. So: not position independent (-no-pie: no relocations to apply, 5 KiB), no separate
# read-only-after-relocation page (norelro), code next to constants (noseparate-code: two
# mappings less) and what is seldom written to behind what everybody writes to (sort-section).
# The price is that addresses of the program itself are not randomised (those of the libraries,
# the stack and the heap are) and that the table of library functions stays writable. These
# programs read files of their own user and no network; who wants the hardening back says
# `make LAYOUT=`.
LAYOUT := -fno-pie
LAYOUT_LINK := -no-pie -Wl,-z,norelro -Wl,-z,noseparate-code -Wl,--sort-section=name

# The inner loops of what writes and reads logs are copying: these are compiled for speed, the rest for size.
FAST := src/logging src/logdir src/logread src/json
FAST_CFLAGS := -O2

ifneq ($(SANITIZE),)
SANITIZE_FLAGS := -g -fno-omit-frame-pointer -fsanitize=$(SANITIZE) -fno-sanitize-recover=all
endif

INCLUDES := -I$(BUILD)/include -Isrc/include $(SKALIBS_CFLAGS)
COMPILE = $(CC) $(STANDARD) $(WARNINGS) $(SECTIONS) $(LAYOUT) $(CFLAGS) \
	$(if $(SANITIZE),$(SANITIZE_FLAGS),$(SPEED)) $(INCLUDES) -MMD -MP
LINK = $(CC) $(LAYOUT_LINK) -Wl,--gc-sections -Wl,--as-needed -Wl,--hash-style=gnu \
	$(if $(filter yes,$(STATIC)),-static) $(SANITIZE_FLAGS) $(LDFLAGS)
LINK_LAST = $(SKALIBS_LDFLAGS) -l:libskarnet.a

# `make V=1` shows the commands themselves.
say = $(if $(V),,@printf '%-8s %s\n' $(1) $(2); )

# --- what there is ---------------------------------------------------------------------------

sources_of = $(or $(wildcard src/$(folder_$(1))/$(1).c),$(sort $(wildcard src/$(folder_$(1))/$(1)/*.c)))
objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
archives = $(patsubst %,$(BUILD)/lib/lib%.a,$(filter $(PRESENT_LIBRARIES),$(1)))

PRESENT_LIBRARIES := $(foreach l,$(LIBRARIES),$(if $(wildcard src/$(l)/*.c),$(l)))
PRESENT := $(foreach p,$(PROGRAMS),$(if $(call sources_of,$(p)),$(p)))
ABSENT := $(filter-out $(PRESENT),$(PROGRAMS)) \
	$(patsubst %,src/%/,$(filter-out $(PRESENT_LIBRARIES),$(LIBRARIES)))
# The one that people type has no more to its name.
binary = $(if $(filter lares,$(1)),lares,lares-$(1))
BINARIES := $(foreach p,$(PRESENT),$(BUILD)/bin/$(call binary,$(p)))

.PHONY: all binaries
binaries: $(BINARIES) $(call archives,$(LIBRARIES))
all: binaries
ifneq ($(strip $(ABSENT)),)
	@echo 'listed in package/ but not written yet: $(strip $(ABSENT))'
endif

# --- compiling -------------------------------------------------------------------------------

# $(BUILD)/flags changes only when the commands do; all objects hang on it.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@new=$@.$$$$; \
	printf '%s\n' '$(subst ','\'',$(COMPILE) | $(FAST_CFLAGS) | $(LINK) $(LINK_LAST))' >$$new; \
	cmp -s $$new $@ && rm $$new || mv $$new $@

CONFIG := $(BUILD)/include/lares/config.h
$(CONFIG): $(BUILD)/config.stamp ;
$(BUILD)/config.stamp: build.mk
	@mkdir -p $(dir $(CONFIG))
	@{ echo '/* Made by make from what configure was told. */'; \
	  echo '#ifndef LARES_CONFIG_H'; \
	  echo '#define LARES_CONFIG_H'; \
	  echo '#define LARES_VERSION "$(VERSION)"'; \
	  echo '#define LARES_BINDIR "$(bindir)"'; \
	  echo '#define LARES_LIBEXECDIR "$(libexecdir)"'; \
	  echo '#endif'; } >$(CONFIG).new
	@cmp -s $(CONFIG).new $(CONFIG) && rm $(CONFIG).new || mv $(CONFIG).new $(CONFIG)
	@touch $@

$(foreach f,$(FAST),$(BUILD)/obj/$(f)/%.o): SPEED := $(FAST_CFLAGS)

$(BUILD)/obj/%.o: %.c $(BUILD)/flags | $(CONFIG)
	@mkdir -p $(@D)
	$(call say,compile,$<)$(COMPILE) $(EXTRA) -c -o $@ $<

# The folder itself is a prerequisite, so that a removed file leaves the archive.
define library_rules
$(BUILD)/lib/lib$(1).a: $$(call objects,$$(wildcard src/$(1)/*.c)) src/$(1)
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(call say,archive,$$@)$$(AR) rcs $$@ $$(filter %.o,$$^)
endef
$(foreach l,$(PRESENT_LIBRARIES),$(eval $(call library_rules,$(l))))

define program_rules
$(BUILD)/bin/$(call binary,$(1)): $$(call objects,$$(call sources_of,$(1))) $$(call archives,$$(libraries_$(1)))
	@mkdir -p $$(@D)
	$$(call say,link,$$@)$$(LINK) -o $$@ $$^ $$(LINK_LAST)
.PHONY: $(1)
$(1): $(BUILD)/bin/$(call binary,$(1))
endef
$(foreach p,$(PRESENT),$(eval $(call program_rules,$(p))))

# --- C tests ---------------------------------------------------------------------------------

# tests/unit/X.c, tests/fault/X.c ... -> $(BUILD)/tests/unit/X, linked with all our libraries. A
# line `LINK: -Wl,--wrap=write` in a comment of X.c adds to the link.
# tests/probe/X.c are programs for tests to start, not tests. What is measured has no sanitizers
# (and tests/bench/service.c no C library, which they need).

C_RINGS := unit fault fuzz model
C_TESTS := $(basename $(wildcard $(patsubst %,tests/%/*.c,$(C_RINGS) probe $(if $(SANITIZE),,bench))))
TEST_BINARIES := $(patsubst %,$(BUILD)/%,$(C_TESTS))
TEST_LIBRARY := $(call objects,$(wildcard tests/lib/*.c))

$(BUILD)/obj/tests/%.o: EXTRA = -Itests/lib -Wno-missing-prototypes
linked_with = $(shell sed -n 's/^.*LINK: \([^*]*\).*/\1/p' $(1).c)
# Of -static clang says that it has no use for -no-pie.
define test_rules
$(BUILD)/$(1): $(BUILD)/obj/$(1).o $$(TEST_LIBRARY) $$(call archives,$$(LIBRARIES))
	@mkdir -p $$(@D)
	$$(call say,link,$$@)$$(if $$(filter -static,$$(call linked_with,$(1))),$$(subst -no-pie,,$$(LINK)),$$(LINK)) -o $$@ $$^ $$(call linked_with,$(1)) $$(LINK_LAST)
endef
$(foreach t,$(C_TESTS),$(eval $(call test_rules,$(t))))

# The long-running programs, and those that wait, once more with the faults of tests/fault/inject
# linked in.
FAULTY := $(filter supervise svscan log init svc svscanctl setlock svwait svlisten svhist svnotify logtail,$(PRESENT))
FAULTY_BINARIES := $(patsubst %,$(BUILD)/fault/lares-%,$(FAULTY))
INJECT := $(call objects,tests/fault/inject/inject.c)
FAULT_CALLS := syscall clock_gettime \
	$(shell sed -n '/WRAP-BEGIN/,/WRAP-END/s/^ *X(\([a-z0-9_]*\)).*/\1/p' tests/fault/inject/inject.c)
define fault_rules
$(BUILD)/fault/lares-$(1): $$(call objects,$$(call sources_of,$(1))) $(INJECT) $$(call archives,$$(libraries_$(1)))
	@mkdir -p $$(@D)
	$$(call say,link,$$@)$$(LINK) $(FAULT_CALLS:%=-Wl,--wrap=%) -o $$@ $$^ $$(LINK_LAST)
endef
$(foreach p,$(FAULTY),$(eval $(call fault_rules,$(p))))

# The same with kill points (lares/killpoint.h): what has some is compiled once more. Two builds to
# be upgraded to from each other, one linked dynamically and one statically, and one that is of an
# older format of supervise/state.
KILLED := $(filter supervise svscan log init,$(PRESENT))
KILLED_BINARIES := $(foreach p,$(KILLED),$(BUILD)/kill/a/lares-$(p) $(BUILD)/kill/b/lares-$(p)) \
	$(BUILD)/kill/older/lares-supervise $(BUILD)/kill/tally
POINTED := $(shell grep -l KILL_POINT src/*/*.c src/*/*/*.c)
KILLER := $(call objects,tests/chaos/point.c tests/chaos/ablate.c tests/chaos/kernel.c)
KILLER_CALLS := $(shell grep -oh '__wrap_[a-z0-9_]*' tests/chaos/*.c | sed 's/^__wrap_//' | sort -u)
KILLER_LINK = $(KILLER_CALLS:%=-Wl,--wrap=%) -Wl,--defsym=kill_build=$(1)
kill_object = $(patsubst %.c,$(BUILD)/kill/obj/%.o,$(1))
kill_objects = $(call kill_object,$(filter $(POINTED),$(1))) $(call objects,$(filter-out $(POINTED),$(1)))
program_sources = $(call sources_of,$(1)) $(foreach l,$(libraries_$(1)),$(filter src/$(l)/%,$(POINTED)))

$(BUILD)/obj/tests/chaos/%.o: EXTRA = -Itests/lib -DLARES_KILL_POINTS
$(BUILD)/kill/obj/%.o: %.c $(BUILD)/flags | $(CONFIG)
	@mkdir -p $(@D)
	$(call say,compile,$@)$(COMPILE) -Itests/lib -DLARES_KILL_POINTS $(EXTRA) -c -o $@ $<
$(BUILD)/kill/obj/older/state.o: src/status/state.c $(BUILD)/flags | $(CONFIG)
	@mkdir -p $(@D)
	$(call say,compile,$@)$(COMPILE) -DSTATE_VERSION=0 -c -o $@ $<

# program, folder, number of the build, more objects, more for the linker
define kill_rules
$(BUILD)/kill/$(2)/lares-$(1): $(4) $$(call kill_objects,$$(call program_sources,$(1))) $(KILLER) $$(call archives,$$(libraries_$(1)))
	@mkdir -p $$(@D)
	$$(call say,link,$$@)$$(if $(5),$$(subst -no-pie,,$$(LINK)),$$(LINK)) $(call KILLER_LINK,$(3)) $(5) -o $$@ $$^ $$(LINK_LAST)
endef
$(foreach p,$(KILLED),$(eval $(call kill_rules,$(p),a,0)))
$(foreach p,$(KILLED),$(eval $(call kill_rules,$(p),b,1,,$(if $(SANITIZE),,-static))))
$(eval $(call kill_rules,supervise,older,2,$(BUILD)/kill/obj/older/state.o))
$(BUILD)/kill/tally: $(BUILD)/kill/obj/tests/probe/tally.o $(call objects,tests/chaos/point.c)
	@mkdir -p $(@D)
	$(call say,link,$@)$(LINK) -Wl,--defsym=kill_build=0 -o $@ $^

OBJECTS := $(call objects,$(wildcard src/*/*.c src/*/*/*.c tests/*/*.c tests/*/*/*.c))
-include $(OBJECTS:.o=.d) $(patsubst $(BUILD)/obj/%.o,$(BUILD)/kill/obj/%.d,$(OBJECTS))

# The order of `make check`: what is quick and fundamental first.
RINGS := lint unit fault fuzz process tree model
CHECKS := $(patsubst %,check-%,$(RINGS))
.PHONY: check check-long tests lint bench demo demo-survival $(CHECKS)
tests: binaries $(TEST_BINARIES) $(FAULTY_BINARIES) $(KILLED_BINARIES)
lint: check-lint

# Tests of real processes wait most of the time: twice as many as there are processors.
PROVE = prove -j$(if $(filter fault process,$(1)),4,2)
# Every fault there is, one after the other, is the work of a day.
SHARES = $(if $(LARES_LONG),$(if $(filter fault,$(1)),perl tests/lib/shares 6))
# tests/lib/run adds the rest.
ENVIRONMENT = LARES_SANITIZE='$(SANITIZE)' LARES_CC='$(CC)' LARES_MAKE='$(MAKE_COMMAND)' \
	LARES_CFLAGS='$(STANDARD) $(WARNINGS) $(INCLUDES)' \
	LARES_SLOW="$${LARES_SLOW:-$(if $(SANITIZE),4,1)}" sh tests/lib/run $(BUILD)

# One ring: its compiled tests and its Perl tests. T=NAME picks the files of that name.
$(CHECKS): check-%: tests
	@set -- $(filter $(BUILD)/tests/$*/%,$(TEST_BINARIES)) $(wildcard tests/$*/*.t); \
	for test; do \
	  shift; \
	  case $${test##*/} in $(or $(T),*) | $(T).t) set -- "$$@" "$$test" ;; esac; \
	done; \
	echo "== ring $*: $$# files"; \
	[ $$# -eq 0 ] || $(ENVIRONMENT) $(call SHARES,$*) $(call PROVE,$*) "$$@"

# All rings, also after one has failed: a summary of everything is worth the minutes.
check: tests
	@cat tests/NOT-TESTED
	@failed=; \
	for ring in $(RINGS); do \
	  $(MAKE) --no-print-directory check-$$ring || failed="$$failed $$ring"; \
	done; \
	if [ -n "$$failed" ]; then echo "check: failed:$$failed" >&2; exit 1; fi; \
	echo 'check: all rings passed'

# The same tests; LARES_LONG lets them take all cases where they sample otherwise.
check-long: export LARES_LONG := 1
check-long: check

# The fuzz targets once more, driven by clang's libFuzzer, which looks for inputs that reach new
# code: build/fuzz/tests/fuzz/NAME CORPUS-FOLDER. check-fuzz runs them for a moment each.
.PHONY: fuzzers libfuzzer
fuzzers: $(filter $(BUILD)/tests/fuzz/%,$(TEST_BINARIES))
libfuzzer:
	$(MAKE) BUILD=build/fuzz CC=clang SANITIZE=fuzzer-no-link,address,undefined LAYOUT= LAYOUT_LINK= \
	  CFLAGS='-O1 -DFUZZ_LIBFUZZER' LDFLAGS=-fsanitize=fuzzer fuzzers

demo: binaries
	@$(ENVIRONMENT) sh examples/demo/run

demo-survival: binaries
	@$(ENVIRONMENT) sh examples/demo/survival

bench: tests
	@sh tests/lib/peers build/peers peers bench-peers
	@$(MAKE) --no-print-directory static GOAL=binaries
	@$(ENVIRONMENT) perl tests/bench/bench.pl $(BENCH)

# --- installing ------------------------------------------------------------------------------

# Through a temporary name and rename, because a running supervisor's file must not be written
# to, and because its name must never be missing.
MANUALS := $(wildcard doc/man/*.[1578])
CLASSIC := svscan:svscan supervise:supervise svc:svc svok:svok svstat:svstat multilog:log \
	setuidgid:setuidgid envuidgid:envuidgid envdir:envdir softlimit:softlimit setlock:setlock \
	pgrphack:setsid fghack:fghack tai64n:tai64n tai64nlocal:tai64nlocal
# classic name:ours, of the programs that are there
CLASSIC_LINKS := $(foreach c,$(CLASSIC),$(if $(filter $(lastword $(subst :, ,$(c))),$(PRESENT)),$(c)))
MANUAL_SECTIONS := $(sort $(patsubst .%,%,$(suffix $(MANUALS))))

# source, destination, mode
PLACE = place() { install -m "$$3" "$$1" "$${2%/*}/.new.$$$$" && mv -f "$${2%/*}/.new.$$$$" "$$2"; }

.PHONY: install uninstall
install: binaries
	@mkdir -p '$(DESTDIR)$(bindir)' $(MANUAL_SECTIONS:%='$(DESTDIR)$(mandir)/man%')
	@set -e; $(PLACE); \
	$(foreach p,$(PRESENT),place $(BUILD)/bin/$(call binary,$(p)) '$(DESTDIR)$(bindir)/$(call binary,$(p))' $(mode_$(p));) \
	$(foreach m,$(MANUALS),place $(m) '$(DESTDIR)$(mandir)/man$(patsubst .%,%,$(suffix $(m)))/$(notdir $(m))' 0644;) \
	echo 'installed $(words $(PRESENT)) programs in $(DESTDIR)$(bindir), $(words $(MANUALS)) manual pages in $(DESTDIR)$(mandir)'
ifeq ($(DAEMONTOOLS_NAMES),yes)
	@cd '$(DESTDIR)$(bindir)' && for pair in $(CLASSIC_LINKS); do \
	  ln -s "lares-$${pair#*:}" ".new.$$$$" && mv -f ".new.$$$$" "$${pair%:*}" || exit 1; \
	done
endif

# A classic name is removed only where it is a link to ours.
uninstall:
	@rm -f $(foreach p,$(PROGRAMS),'$(DESTDIR)$(bindir)/$(call binary,$(p))') \
	  $(foreach m,$(MANUALS),'$(DESTDIR)$(mandir)/man$(patsubst .%,%,$(suffix $(m)))/$(notdir $(m))')
	@for pair in $(CLASSIC); do \
	  file="$(DESTDIR)$(bindir)/$${pair%:*}"; \
	  if [ "$$(readlink "$$file")" = "lares-$${pair#*:}" ]; then rm "$$file"; fi; \
	done

# --- a tarball -------------------------------------------------------------------------------

# The same files give the same bytes: sorted, no owners, one time for all (of the last commit,
# or of package/info). From what git tracks; without git, from the tree.
.PHONY: dist
dist:
	@mkdir -p $(BUILD)
	@set -e; . ./package/info; release=$$package-$$version; \
	if [ "$$(git rev-parse --show-cdup 2>&1)" = '' ]; then \
	  git ls-files -z; \
	else \
	  find . \( -path ./build -o -path ./.git -o -path ./build.mk \) -prune -o ! -type d -print0; \
	fi | sed -z 's|^\./||' | LC_ALL=C sort -z >$(BUILD)/dist.files; \
	tar --create --null --no-recursion --files-from=$(BUILD)/dist.files --format=ustar --owner=0 \
	  --group=0 --numeric-owner --mode=u+rw,go+r,go-w \
	  --mtime="@$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct 2>/dev/null || stat -c %Y package/info)}" \
	  --transform="s|^|$$release/|S" >$(BUILD)/$$release.tar; \
	gzip -9nf $(BUILD)/$$release.tar; \
	echo "$(BUILD)/$$release.tar.gz"

# --- other builds, beside this one ------------------------------------------------------------

.PHONY: sanitize clang static
# GOAL=check-unit for another goal there.
sanitize:
	$(MAKE) BUILD=build/asan SANITIZE=address,undefined CFLAGS=-O1 LAYOUT= LAYOUT_LINK= $(or $(GOAL),tests)
clang:
	$(MAKE) BUILD=build/clang CC=clang $(or $(GOAL),tests)
static:
	$(MAKE) BUILD=build/static STATIC=yes $(or $(GOAL),tests)

endif

# --- cleaning --------------------------------------------------------------------------------

# build/peers stays: it came over the network.
.PHONY: clean distclean peers format analyze help
clean:
	rm -rf $(addprefix $(BUILD)/,obj lib bin tests fault kill tmp include flags config.stamp dist.files *.tar.gz) \
	  build/asan build/clang build/static build/fuzz
distclean:
	rm -rf build build.mk

# Real daemons and peer suites for tests, unpacked below build/peers, never installed.
peers:
	sh tests/lib/peers build/peers peers

# Only version 14 formats as tests/lint/format.t wants it.
format:
	clang-format-14 -i $(wildcard src/*/*.[ch] src/*/*/*.[ch] tests/*/*.[ch])

# What compilers and checkers suspect, beyond the warnings of every build: gcc's analyzer, cppcheck
# and, with TIDY=yes, which takes minutes, clang-tidy are to find nothing. Where they err, the line
# says so by its name here: clang-tidy takes vfork's child, pairs of adjacent string literals,
# strings without an end and arrays of pointers for mistakes.
ANALYZE_SOURCES := $(wildcard src/*/*.c src/*/*/*.c)
# wait.c: the order within `*fd++ = (struct pollfd){...}`; value.c: count entries are set.
CPPCHECK := cppcheck -q --std=c11 --enable=warning,performance,portability --error-exitcode=1 \
	--suppress=unknownEvaluationOrder:src/supervision/svc/wait.c \
	--suppress=uninitvar:src/svdir/value.c --suppress=missingIncludeSystem
TIDY_CHECKS := -*,clang-analyzer-*,bugprone-*,-bugprone-easily-swappable-parameters,$\
	-bugprone-suspicious-missing-comma,-bugprone-implicit-widening-of-multiplication-result,$\
	-bugprone-narrowing-conversions,-clang-analyzer-security.insecureAPI.*,$\
	-bugprone-suspicious-string-compare,-bugprone-not-null-terminated-result,$\
	-bugprone-sizeof-expression,-clang-analyzer-unix.Vfork
analyze: $(BUILD)/include/lares/config.h
	$(CPPCHECK) $(INCLUDES) $(ANALYZE_SOURCES)
	for source in $(ANALYZE_SOURCES); do \
	  gcc $(STANDARD) $(WARNINGS) $(INCLUDES) -O1 -fanalyzer -Werror -c $$source -o /dev/null || exit 1; done
	$(if $(TIDY),clang-tidy --quiet --warnings-as-errors='*' '--checks=$(TIDY_CHECKS)' $(ANALYZE_SOURCES) -- $(STANDARD) $(INCLUDES))

help:
	@printf '%s\n' \
	  'make              build the programs in build/bin (runs ./configure if need be)' \
	  'make deps         install what building and testing need (as root); FOR="build test ..."' \
	  'make demo         a scan directory with services, shown at work' \
	  'make demo-survival  everything around a service killed, again and again, and upgraded' \
	  'make check        all tests; check-lint check-unit check-fault check-fuzz check-process' \
	  '                  check-tree check-model run one ring; T=NAME one file of it' \
	  'make check-long   the same without sampling, with 20,000 kills in check-tree, 10,000 of loggers (LARES_SEED=N again)' \
	  'make bench        measure beside the peers' \
	  'make lint         what can be said about the sources without running them' \
	  'make analyze      gcc -fanalyzer and cppcheck, with TIDY=yes clang-tidy, over src' \
	  'make format       let clang-format-14 put the C sources in order' \
	  'make sanitize     build with address and undefined behaviour sanitizers in build/asan' \
	  'make clang        build with clang in build/clang' \
  'make libfuzzer    build the fuzz targets with libFuzzer in build/fuzz' \
	  'make static       build wholly static in build/static' \
	  'make install      to PREFIX of ./configure; DESTDIR=DIR is put in front' \
	  'make uninstall    remove what install has put there' \
	  'make dist         a reproducible tarball in build/' \
	  'make clean        remove what was built; distclean: also what was fetched and configured' \
	  'V=1 shows commands, BUILD=DIR builds elsewhere, CC= CFLAGS= LDFLAGS= LAYOUT= change flags.'

FORCE:
.PHONY: FORCE
