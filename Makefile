# make demo      from sign-in to an open door (KEEP=1 leaves it running; LOCK=qemu has two of the doors on microcontrollers)
# make test      everything; what CI runs
# make check     the quick part: format, lints, the rules of the house, firmware without an allocator
# make bench     figures of docs/performance.md
# make nightly   what takes longer than a coffee
# SETUP=print make setup   what would be installed

CARGO ?= cargo
FUZZ_SECONDS ?= 10
export CARGO_NET_RETRY ?= 5

.PHONY: setup demo test check unit end-to-end interop mutation no-alloc no-panic image firmware coapcore portable fuzz bench nightly

setup:
	examples/building/setup test firmware

demo:
	examples/building/setup demo $(if $(LOCK),firmware)
	$(CARGO) build --locked --bin latchwork --bin door-lock --bin phone --bin demo
	$(if $(LOCK),examples/door-lock/cortex-m/build)
	target/debug/demo $(if $(KEEP),--keep) $(if $(LOCK),--lock=$(LOCK))

test: setup check no-panic unit end-to-end firmware interop mutation fuzz

check: no-alloc
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets --quiet -- -D warnings
	$(CARGO) test --locked --quiet -p latchwork-house

unit: image
	LATCHWORK_PEERS=required $(CARGO) test --locked --quiet --workspace --exclude latchwork-house --exclude latchwork-end-to-end

# The programs are built first: the tests start them as a user would.
end-to-end: image
	$(CARGO) build --locked --quiet --workspace --bins --examples
	$(CARGO) test --locked --quiet -p latchwork-end-to-end -- --skip interop

interop:
	$(CARGO) build --locked --quiet --workspace --bins --examples
	tests/interop/run
	tests/interop/admin_api
	$(CARGO) test --locked --quiet -p latchwork-end-to-end -- interop
	$(CARGO) test --locked --quiet --manifest-path tests/interop/lakers/Cargo.toml --target-dir target/lakers

# Turns the checks of rs-lib off, one at a time: each must be missed by a test.
mutation:
	tests/conformance/disabled-checks

# Debian's compiler builds core from source: nothing here may want an allocator.
no-alloc:
	tests/house/no-alloc

# Nothing of ours can panic: an image that could would not link.
no-panic:
	tests/firmware/no-panic

# The locks of a microcontroller: in Rust, the variant that opens every door, on both kinds of line, and in C, with
# cryptography in software and in an accelerator's place.
image:
	examples/door-lock/cortex-m/build
	examples/door-lock/cortex-m/build es256-p256-udp
	examples/door-lock/c/build
	examples/door-lock/c/build accelerated

# What it costs, held against docs/footprint.tsv; RECORD=1 writes that file.
VARIANTS = symmetric symmetric-m0 symmetric-m33 decision decision-m0 es256-p256 es256-p256-udp es256-p256-m0 es256-p256-m33 \
	es256-cortex-m4 es256-cortex-m4-m33 eddsa eddsa-small
firmware:
	examples/building/setup demo firmware
	for variant in $(VARIANTS); do examples/door-lock/cortex-m/build $$variant || exit; done
	examples/door-lock/c/build
	tests/firmware/panics $(VARIANTS) c
	$(CARGO) build --locked --quiet --bin latchwork --bin door-lock --bin phone --bin footprint
	target/debug/footprint $(if $(RECORD),--record)

# The server without AWS-LC passes the same suite.
portable:
	$(CARGO) test --locked --quiet -p latchwork-authz-server --no-default-features --features portable

fuzz:
	tests/fuzz/run $(FUZZ_SECONDS)

bench:
	tests/bench/run
	tests/bench/records

# The nearest relative of rs-lib on the same board, for docs/footprint.md.
coapcore:
	examples/building/setup firmware coapcore
	tests/firmware/coapcore/build
	$(CARGO) build --locked --quiet --bin coapcore
	target/debug/coapcore

nightly: test portable coapcore
	tests/power_loss/run
	tests/bench/soak
	$(MAKE) fuzz FUZZ_SECONDS=600
