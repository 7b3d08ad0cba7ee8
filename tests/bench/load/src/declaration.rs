//! The clients and locks of the load, and their keys.

use latchwork_oscore::Material;

use crate::Fault;
use crate::jwt::Key;

/// The client with a secret.
pub(crate) const CLIENT: &str = "bench";
/// Its secret.
pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";
/// The client that signs assertions.
pub(crate) const SIGNING: &str = "bench-signing";
/// Clients with a context.
pub(crate) const CONTEXTS: u8 = 64;

/// What a client with a context shares with the server. The ids are this side's.
pub(crate) fn with_material<T>(number: u8, then: impl FnOnce(&Material<'_>) -> T) -> T {
    then(&Material {
        master_secret: &[number; 16],
        master_salt: &[],
        sender_id: &[number],
        recipient_id: &[0xff, number],
        id_context: None,
    })
}

/// TOML on standard output: clients, and two locks whose tokens are encrypted, the tokens of one signed inside.
#[allow(clippy::print_stdout)]
pub(crate) fn print() -> Result<(), Fault> {
    let cleaning = "attributes = { role = \"cleaning\" }";
    println!("[[client]]\nid = \"{CLIENT}\"\nkind = \"confidential\"\nsecret = \"{SECRET}\"\n{cleaning}\n");
    let [x, y] = Key::new()?.point();
    println!(
        "[[client]]\nid = \"{SIGNING}\"\nkind = \"confidential\"\n{cleaning}\n\
         keys = [{{ key = {{ kty = \"EC\", crv = \"P-256\", x = \"{x}\", y = \"{y}\" }} }}]\n"
    );
    for number in 0..CONTEXTS {
        println!("[[client]]\nid = \"bench-{number}\"\nkind = \"confidential\"\noscore = true\n{cleaning}\n");
        with_material(number, |material| {
            println!(
                "[[oscore]]\nclient = \"bench-{number}\"\nclient_sender_id = \"{}\"\nserver_sender_id = \"{}\"\n\
                 master_secret = \"{}\"\n",
                hex(material.sender_id),
                hex(material.recipient_id),
                hex(material.master_secret)
            );
        });
    }
    for (lock, signed) in [("signed", true), ("encrypted", false)] {
        println!("[[lock]]\nname = \"{lock}\"\nsigned = {signed}\n");
        println!("[[door]]\nname = \"{lock}\"\nlock = \"{lock}\"\nzone = \"office\"\n");
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
