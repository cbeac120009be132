# ngx_canopy
#
#   make            build/ngx_canopy_module.so for the installed nginx
#   make deps       install what is needed (Debian packages)
#   make run        a gateway with a local Canopy sandbox, until Ctrl-C
#   make demo       the same, shows four answers and ends
#   make test       all tests
#   make sanitize   all tests under ASan and UBSan
#   make soak       the tests under load at full length, half an hour
#   make valgrind   requests and reloads under valgrind, some minutes
#   make fuzz       each parser for a minute (SECONDS=60)
#   make torture    ten minutes of cancels through random faults, reloads and
#                   killed workers (SECONDS=600, SEED=...)
#   make bench      beside nginx's proxy_pass and a gateway in Lua, some minutes
#                   (ARGS=seen: one path, growth, scale; see docs/performance.md)
#   make deb        build/libnginx-mod-http-canopy_*.deb, looked at by lintian
#   make deb-test   it is installed, upgraded and purged in a Debian of its own;
#                   the image of examples/docker/ is built and run
#   make matrix     all tests with this machine's nginx, with one that has the
#                   module built in, and in a Debian 13 of its own: an hour

# another nginx tree: make NGINX_SRC=/path/to/nginx-1.26.3
NGINX_SRC ?= /usr/share/nginx/src

CC     ?= cc
CFLAGS ?= -g -O2

BUILD  := build
MODULE := $(BUILD)/ngx_canopy_module.so

WARNINGS := -Wall -Wextra -Werror

CORE    := $(wildcard src/core/*.c)
SOURCES := config ngx_canopy_module.c $(wildcard src/*/*.[ch])
FUZZ    := $(patsubst t/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard t/fuzz/*.c))
FUZZED  := $(patsubst src/core/%.c,$(BUILD)/fuzz/core/%.o,$(CORE))
UNITS   := $(patsubst t/unit/%.c,$(BUILD)/unit/%,$(wildcard t/unit/*.c))
# jansson has a free() of its own, and so have the sanitizers
CHECKED := $(patsubst t/unit/%.c,$(BUILD)/checked/%,\
             $(filter-out t/unit/jansson.c,$(wildcard t/unit/*.c)))
TESTS   ?= $(sort $(wildcard t/*.t))

# these measure time or memory, which sanitizers change, or run no nginx
MEASURING := $(wildcard t/load-*.t t/harness*.t t/jose.t t/canary*.t) \
             t/oauth-wiped.t t/page.t t/bench.t

PACKAGES := gcc make nginx nginx-dev libjansson-dev libssl-dev \
            clang libclang-rt-dev dpkg-dev ca-certificates openssl perl \
            python3-fastapi python3-uvicorn python3-yaml \
            python3-kubernetes libio-socket-ssl-perl \
            libcrypt-jwt-perl python3-jsonschema curl prometheus \
            valgrind libc6-dbg wrk libnginx-mod-http-lua lua-cjson \
            debhelper fakeroot lintian debootstrap buildah

SUDO := $(if $(filter 0,$(shell id -u)),,sudo)


all: $(MODULE)


# nginx builds modules inside its tree, so it gets a copy of its own

$(BUILD)/nginx/objs/Makefile: config ngx_canopy_module.c \
                              $(wildcard src/*) Makefile | need-build
	rm -rf $(BUILD)/nginx
	mkdir -p $(BUILD)
	cp -rL $(NGINX_SRC) $(BUILD)/nginx
	chmod -R u+w $(BUILD)/nginx
	cd $(BUILD)/nginx && bash -c ' \
	    if [ -f conf_flags ]; then . ./conf_flags; \
	    else NGX_CONF_FLAGS=(--with-compat --with-http_ssl_module); fi; \
	    [ -x configure ] && c=./configure || c=auto/configure; \
	    $$c "$${NGX_CONF_FLAGS[@]}" \
	        --with-cc="$(CC)" \
	        --with-cc-opt="$(CFLAGS) -fPIC" \
	        --add-dynamic-module=$(CURDIR) > ../configure.log' \
	    || { tail -n 20 $(BUILD)/configure.log; exit 1; }

$(MODULE): $(SOURCES) $(BUILD)/nginx/objs/Makefile
	$(MAKE) -C $(BUILD)/nginx -f objs/Makefile modules > $(BUILD)/make.log \
	    || { tail -n 50 $(BUILD)/make.log; exit 1; }
	install $(BUILD)/nginx/objs/ngx_canopy_module.so $@


unit: $(UNITS)

UNIT_CC = $(CC) -std=c99 -D_GNU_SOURCE $(CFLAGS) $(WARNINGS) -Isrc/core \
          -It/unit

$(BUILD)/unit/core/%.o $(BUILD)/checked/core/%.o: src/core/%.c \
                                                 $(wildcard src/core/*.h)
	mkdir -p $(@D)
	$(UNIT_CC) -c -o $@ $<

.SECONDARY:

$(BUILD)/unit/%: t/unit/%.c $(wildcard t/unit/*.h) \
                 $(patsubst src/core/%.c,$(BUILD)/unit/core/%.o,$(CORE))
	$(UNIT_CC) $(UNIT_FLAGS) -o $@ $< $(@D)/core/*.o -ljansson -lcrypto

# the same with sanitizers, which see what is written too far themselves, and
# with which gcc takes sizes for unknown
$(BUILD)/checked/%: CFLAGS := -g -O1 -fno-omit-frame-pointer \
    -fsanitize=address,undefined -fno-sanitize-recover=all \
    -Wno-format-overflow

$(BUILD)/checked/%: t/unit/%.c $(wildcard t/unit/*.h) \
                    $(patsubst src/core/%.c,$(BUILD)/checked/core/%.o,$(CORE))
	$(UNIT_CC) $(UNIT_FLAGS) -o $@ $< $(@D)/core/*.o -ljansson -lcrypto

# it has allocations fail
$(BUILD)/%/memory: UNIT_FLAGS := \
    -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free


test: $(MODULE) $(UNITS) | need-test
	prove -I t/lib $(sort $(UNITS)) $(TESTS)

torture: $(MODULE) | need-test
	perl -I t/lib t/torture $(or $(SECONDS),600) $(SEED)

soak: $(MODULE) | need-test
	CANOPY_TEST_SOAK=1 prove -v -I t/lib \
	    $(sort $(wildcard t/load-*.t)) t/rate-burst.t t/switch-load.t

# what is missing it says itself
bench: $(MODULE) | need-test
	perl -I t/lib t/bench/run $(ARGS)

sanitize: $(CHECKED) | need-build need-test
	ASAN_OPTIONS=detect_leaks=1 prove $(CHECKED)
	t/sanitize $(BUILD)/sanitize $(filter-out $(MEASURING),$(TESTS))

valgrind: $(MODULE) | need-test need-valgrind
	prove -I t/lib t/valgrind/requests.t

FUZZ_CC := clang -std=c99 -D_GNU_SOURCE -g -O1 $(WARNINGS) -Isrc/core \
           -fsanitize=fuzzer-no-link,address,undefined \
           -fno-sanitize-recover=all

$(BUILD)/fuzz/core/%.o: src/core/%.c $(wildcard src/core/*.h)
	mkdir -p $(BUILD)/fuzz/core
	$(FUZZ_CC) -c -o $@ $<

$(BUILD)/fuzz/%: t/fuzz/%.c $(wildcard t/fuzz/*.h) $(FUZZED)
	$(FUZZ_CC) -fsanitize=fuzzer -o $@ $< $(FUZZED) -ljansson -lcrypto

fuzz: need-fuzz $(FUZZ)
	t/fuzz/run $(BUILD)/fuzz $(or $(SECONDS),60)

run: $(MODULE) | need-test
	/usr/bin/python3 t/sandbox/run $(MODULE)

demo: $(MODULE) | need-test
	/usr/bin/python3 t/sandbox/run --demo $(MODULE)


# in a clean copy, beside which dpkg-buildpackage puts the packages
COPY := tar -c --exclude=./$(BUILD) --exclude=./.git . | tar -x -C

deb: | need-deb
	rm -rf $(BUILD)/deb $(BUILD)/*.deb
	mkdir -p $(BUILD)/deb
	$(COPY) $(BUILD)/deb
	cd $(BUILD)/deb && dpkg-buildpackage -us -uc -b > ../deb.log 2>&1 \
	    || { tail -n 50 ../deb.log; exit 1; }
	lintian --allow-root --fail-on error,warning --display-info \
	    $(BUILD)/libnginx-mod-http-canopy_*.changes

deb-test: deb | need-test
	prove t/package/

# SUITE=... for another Debian
SUITE  := trixie
CHROOT := $(BUILD)/chroot/$(SUITE)

matrix: test matrix-static matrix-chroot

matrix-static: | need-build need-test
	t/static $(BUILD)/static $(TESTS)

matrix-chroot: | need-deb
	t/chroot make $(CHROOT) $(SUITE)
	rm -rf $(CHROOT)/srv/ngx_canopy
	mkdir $(CHROOT)/srv/ngx_canopy
	$(COPY) $(CHROOT)/srv/ngx_canopy
	t/chroot online $(CHROOT) sh -c 'apt-get update -qq && apt-get install \
	    -qq --no-install-recommends make && make -C /srv/ngx_canopy deps' \
	    > $(CHROOT).log 2>&1 || { tail -n 20 $(CHROOT).log; exit 1; }
	t/chroot alone $(CHROOT) make -C /srv/ngx_canopy test TESTS='$(TESTS)'


deps:
	$(SUDO) apt-get update
	$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y \
	    --no-install-recommends $(PACKAGES)

need-build:
	@[ -d $(NGINX_SRC)/src/core ] || { echo "nginx-dev is missing, run" \
	    "\"make deps\" or give NGINX_SRC=/path/to/nginx" >&2; exit 1; }
	@[ -f /usr/include/jansson.h ] || { echo "libjansson-dev is missing," \
	    "run \"make deps\"" >&2; exit 1; }

need-test:
	@[ -x /usr/sbin/nginx ] || { echo "nginx is missing, run" \
	    "\"make deps\"" >&2; exit 1; }
	@/usr/bin/python3 -c 'import fastapi, uvicorn' 2>/dev/null \
	    || { echo "python3-fastapi or python3-uvicorn is missing, run" \
	    "\"make deps\"" >&2; exit 1; }
	@/usr/bin/python3 -c 'import jsonschema, kubernetes, yaml' 2>/dev/null \
	    || { echo "python3-jsonschema, python3-kubernetes or python3-yaml" \
	    "is missing, run \"make deps\"" >&2; exit 1; }
	@command -v promtool > /dev/null || { echo "prometheus is missing, run" \
	    "\"make deps\"" >&2; exit 1; }
	@perl -MIO::Socket::SSL -MCrypt::JWT -e 1 2>/dev/null \
	    || { echo "libio-socket-ssl-perl or libcrypt-jwt-perl is missing," \
	    "run \"make deps\"" >&2; exit 1; }

need-valgrind:
	@command -v valgrind > /dev/null || { echo "valgrind is missing, run" \
	    "\"make deps\"" >&2; exit 1; }

need-deb:
	@[ -x /usr/bin/dh ] && [ -x /usr/bin/lintian ] && \
	    [ -x /usr/sbin/debootstrap ] && [ -x /usr/bin/buildah ] \
	    || { echo "debhelper, lintian, debootstrap or buildah is missing," \
	    "run \"make deps\"" >&2; exit 1; }

need-fuzz:
	@command -v clang > /dev/null || { echo "clang is missing, run" \
	    "\"make deps\"" >&2; exit 1; }

clean:
	rm -rf $(BUILD)


.PHONY: all unit test torture soak bench sanitize valgrind fuzz run demo deps \
        clean deb deb-test matrix matrix-static matrix-chroot need-build \
        need-test need-valgrind need-deb need-fuzz
