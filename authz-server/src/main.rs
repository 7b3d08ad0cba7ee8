//! The binary: everything is in the library.

fn main() -> std::process::ExitCode {
    latchwork_authz_server::cli::run()
}
