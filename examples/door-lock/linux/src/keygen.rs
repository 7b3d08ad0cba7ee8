//! The lock's own key, for signed tokens.

use latchwork_cbor::{Full, Writer};
use p256::elliptic_curve::sec1::ToSec1Point;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Writes a new private key, in hex, and prints its CCS: `{cnf: {COSE_Key: {..}}}` and no `sub`.
#[allow(clippy::print_stdout)] // the credential is the output
pub(crate) fn keygen(path: &Path) -> std::io::Result<()> {
    let secret = secret()?;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{}", hex(&secret.to_bytes()))?;
    file.sync_all()?;
    let point = secret.public_key().to_sec1_point(false);
    let (Some(x), Some(y)) = (point.x(), point.y()) else {
        return Err(std::io::Error::other("the key has no coordinates"));
    };
    let mut buf = [0; 96];
    let ccs = ccs(x, y, &mut buf).map_err(std::io::Error::other)?;
    println!("{}", hex(ccs));
    Ok(())
}

fn ccs<'b>(x: &[u8], y: &[u8], buf: &'b mut [u8]) -> Result<&'b [u8], Full> {
    let mut cbor = Writer::new(buf);
    cbor.map(1)?.int(CNF)?.map(1)?.int(COSE_KEY)?.map(4)?;
    cbor.int(1)?.int(EC2)?.int(-1)?.int(P256)?.int(-2)?.bytes(x)?.int(-3)?.bytes(y)?;
    Ok(cbor.finish())
}

fn secret() -> std::io::Result<p256::SecretKey> {
    // A value outside 1..n comes up less than once in 2^32 draws.
    for _ in 0..4 {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
        if let Ok(secret) = p256::SecretKey::from_slice(&bytes) {
            return Ok(secret);
        }
    }
    Err(std::io::Error::other("the random numbers are none"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// RFC 8392, RFC 8747 and RFC 9053.
const CNF: i64 = 8;
const COSE_KEY: i64 = 1;
const EC2: i64 = 2;
const P256: i64 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_credential_reads_back() {
        let mut buf = [0; 96];
        let ccs = ccs(&[1; 32], &[2; 32], &mut buf).unwrap();
        let claims = latchwork_ace::Claims::decode(ccs).unwrap();
        assert!(matches!(claims.cnf, Some(latchwork_ace::Cnf::CoseKey(_))), "{claims:?}");
        assert_eq!(claims.sub, None);
    }
}
