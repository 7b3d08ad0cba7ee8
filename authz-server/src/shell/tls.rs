//! The process-wide choice of a TLS cryptography provider.

/// Makes the compiled-in provider the default one. Harmless when called twice.
pub fn install_provider() {
    #[cfg(feature = "aws-lc")]
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    #[cfg(not(feature = "aws-lc"))]
    let provider = rustls::crypto::ring::default_provider();
    // An error only says that one is installed already.
    let _ = provider.install_default();
}
