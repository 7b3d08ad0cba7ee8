//! The key-encryption key from each of its sources, as an operator meets it. The hardware module is SoftHSM2.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

type Variables<'v> = &'v [(&'v str, &'v str)];

fn latchwork(arguments: &[&str], dir: &Path, variables: Variables<'_>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_latchwork"));
    command.args(arguments).envs(variables.iter().copied()).stdin(Stdio::null());
    command.env("SOFTHSM2_CONF", dir.join("softhsm2.conf")).output().unwrap()
}

/// `keys seal` opens the files and seals them anew under the configured key: what a start does, without a server.
fn opens(parent: &Path, variables: Variables<'_>) -> Result<(), String> {
    let dir = parent.join("server");
    let output = latchwork(&["keys", "seal", "--dir", dir.to_str().unwrap()], parent, variables);
    match output.status.code() {
        Some(0) => Ok(()),
        Some(1) => Err(String::from_utf8(output.stderr).unwrap()),
        other => panic!("{other:?}: {output:?}"),
    }
}

fn init(parent: &Path, variables: Variables<'_>) {
    let output = latchwork(&["init", parent.join("server").to_str().unwrap()], parent, variables);
    assert!(output.status.success(), "{output:?}");
    for name in ["storage", "secrets", "pairwise", "refresh"] {
        let text = fs::read_to_string(parent.join(format!("server/keys/{name}.key"))).unwrap();
        assert!(text.starts_with("sealed:"), "{name} lies in the clear");
    }
}

#[test]
fn from_a_file_that_lies_elsewhere() {
    let parent = tempfile::tempdir().unwrap();
    let elsewhere = parent.path().join("elsewhere.key");
    let variables = [("LATCHWORK_KEYS_KEK_FILE", elsewhere.to_str().unwrap())];
    init(parent.path(), &variables);
    assert!(!parent.path().join("server/keys/kek.key").exists());
    opens(parent.path(), &variables).unwrap();
    let without = opens(parent.path(), &[]).unwrap_err();
    assert!(without.contains("kek.key: No such file"), "{without}");
    let moved = parent.path().join("moved.key");
    fs::rename(&elsewhere, &moved).unwrap();
    opens(parent.path(), &[("LATCHWORK_KEYS_KEK_FILE", moved.to_str().unwrap())]).unwrap();
}

#[test]
fn from_the_environment() {
    let parent = tempfile::tempdir().unwrap();
    let (right, wrong) = ("1f".repeat(32), "2e".repeat(32));
    init(parent.path(), &[("LATCHWORK_KEYS_KEK", &right)]);
    opens(parent.path(), &[("LATCHWORK_KEYS_KEK", &right)]).unwrap();
    let refused = opens(parent.path(), &[("LATCHWORK_KEYS_KEK", &wrong)]).unwrap_err();
    assert!(refused.contains("the key-encryption key of keys.kek… does not open it"), "{refused}");
    assert!(!refused.contains(&wrong) && !refused.contains(&right), "{refused}");
    // From there into a file: by way of the clear.
    let dir = parent.path().join("server");
    let plain = ["keys", "seal", "--plain", "--dir", dir.to_str().unwrap()];
    assert!(latchwork(&plain, parent.path(), &[("LATCHWORK_KEYS_KEK", &right)]).status.success());
    opens(parent.path(), &[]).unwrap();
    assert!(fs::read_to_string(dir.join("keys/storage.key")).unwrap().starts_with("sealed:"));
    assert!(dir.join("keys/kek.key").exists());
}

#[test]
fn from_a_hardware_module() {
    let parent = tempfile::tempdir().unwrap();
    let tokens = parent.path().join("tokens");
    fs::create_dir(&tokens).unwrap();
    let conf = format!("directories.tokendir = {}\nobjectstore.backend = file\n", tokens.display());
    fs::write(parent.path().join("softhsm2.conf"), conf).unwrap();
    let softhsm = Command::new("softhsm2-util")
        .args(["--init-token", "--free", "--label", "doors", "--so-pin", "so-pin", "--pin", "user-pin"])
        .env("SOFTHSM2_CONF", parent.path().join("softhsm2.conf"))
        .output()
        .expect("examples/building/setup test installs SoftHSM2");
    assert!(softhsm.status.success(), "{softhsm:?}");
    let module = module();
    let module = module.to_str().unwrap();
    let variables = |pin: &'static str, label: &'static str| {
        [
            ("LATCHWORK_KEYS_PKCS11_MODULE", module.to_owned()),
            ("LATCHWORK_KEYS_PKCS11_TOKEN", "doors".to_owned()),
            ("LATCHWORK_KEYS_PKCS11_PIN", pin.to_owned()),
            ("LATCHWORK_KEYS_PKCS11_LABEL", label.to_owned()),
        ]
    };
    let with = |pin, label| {
        let variables = variables(pin, label);
        let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        opens(parent.path(), &variables)
    };
    {
        let variables = variables("user-pin", "kek");
        let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        init(parent.path(), &variables);
    }
    with("user-pin", "kek").unwrap();
    for (pin, label, reason) in
        [("wrong-pin", "kek", "PKCS#11: "), ("user-pin", "another", "PKCS#11: the token has no AES key \"another\"")]
    {
        let refused = with(pin, label).unwrap_err();
        assert!(refused.contains(reason), "{refused}");
        assert!(!refused.contains(pin), "{refused}");
    }
    let wrapped = parent.path().join("server/keys/kek.wrapped");
    let text = fs::read_to_string(&wrapped).unwrap();
    let first = if text.starts_with('A') { "B" } else { "A" };
    fs::write(&wrapped, format!("{first}{}", &text[1..])).unwrap();
    assert!(with("user-pin", "kek").unwrap_err().contains("PKCS#11: "), "a wounded wrapping opens nothing");
    fs::write(&wrapped, text).unwrap();
    fs::remove_dir_all(&tokens).unwrap();
    fs::create_dir(&tokens).unwrap();
    assert!(with("user-pin", "kek").unwrap_err().contains("no token with"), "without the module there is no key");
}

fn module() -> PathBuf {
    let known = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so"].map(PathBuf::from);
    known.into_iter().find(|path| path.exists()).expect("examples/building/setup test installs SoftHSM2")
}
