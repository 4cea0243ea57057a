# Shortcuts; `just` lists them. `just features=--no-default-features test` leaves CUDA out, which builds faster.

features := ""

_list:
    @just --list --unsorted

# Build the program
build:
    cargo build --release {{features}}

# Run all tests, or those whose name contains FILTER
test *FILTER:
    cargo test --release {{features}} {{FILTER}}

# Check format and lints
lint:
    cargo fmt --check
    cargo clippy --all-targets --release {{features}} -- -D warnings

# Build the documentation of the library
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --release {{features}}

# Compare with the reference's numbers in tests/fixtures and $CLEAVE_FIXTURES
parity:
    cargo test --release {{features}} --test parity

# Train the main example
digits *ARGS:
    cargo run --release {{features}} -- train digits {{ARGS}}

# Everything that must hold before a change is taken in
ci:
    .ci/run
