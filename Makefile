# ngx_canopy
#
#   make            build/ngx_canopy_module.so for the installed nginx
#   make deps       install what is needed (Debian packages)
#   make run        a gateway with a local Canopy sandbox, until Ctrl-C
#   make demo       the same, shows four answers and ends
#   make test       all tests

# another nginx tree: make NGINX_SRC=/path/to/nginx-1.26.3
NGINX_SRC ?= /usr/share/nginx/src

CC     ?= cc
CFLAGS ?= -g -O2

BUILD  := build
MODULE := $(BUILD)/ngx_canopy_module.so

WARNINGS := -Wall -Wextra -Werror

CORE    := $(wildcard src/core/*.c)
SOURCES := config ngx_canopy_module.c $(wildcard src/*/*.[ch])
UNITS   := $(patsubst t/unit/%.c,$(BUILD)/unit/%,$(wildcard t/unit/*.c))
TESTS   ?= $(sort $(wildcard t/*.t))

PACKAGES := gcc make nginx nginx-dev libjansson-dev libssl-dev \
            ca-certificates openssl perl \
            python3-fastapi python3-uvicorn libio-socket-ssl-perl curl

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

$(BUILD)/unit/%: t/unit/%.c t/unit/tap.h $(CORE) $(wildcard src/core/*.h)
	mkdir -p $(BUILD)/unit
	$(CC) -std=c99 -D_GNU_SOURCE $(CFLAGS) $(WARNINGS) -Isrc/core -It/unit \
	    -o $@ $< $(CORE) -ljansson -lcrypto


test: $(MODULE) $(UNITS) | need-test
	prove -I t/lib $(sort $(UNITS)) $(TESTS)

run: $(MODULE) | need-test
	/usr/bin/python3 t/sandbox/run $(MODULE)

demo: $(MODULE) | need-test
	/usr/bin/python3 t/sandbox/run --demo $(MODULE)


deps:
	$(SUDO) apt-get update
	DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y \
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

clean:
	rm -rf $(BUILD)


.PHONY: all unit test run demo deps need-build need-test clean
