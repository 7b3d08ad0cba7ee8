//! Keys and values that are refused by name, and what the template says.

use std::collections::BTreeMap;
use std::path::Path;

use super::*;

fn parse(text: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
    let variables: BTreeMap<_, _> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Config::parse(text, &variables, Path::new("/srv/latchwork")).map_err(|error| error.to_string())
}

/// Every key of the template, taken out of its comment, gives what is there without it.
#[test]
fn the_template_shows_the_defaults() {
    let defaults = parse("", &[]).unwrap();
    assert_eq!(format!("{:?}", parse(TEMPLATE, &[]).unwrap()), format!("{defaults:?}"));
    let mut text = String::new();
    for line in TEMPLATE.lines() {
        if line.starts_with("#[[provider]]") {
            break;
        }
        let key = line.strip_prefix('#').filter(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()));
        text.push_str(key.unwrap_or(line));
        text.push('\n');
    }
    let mut shown = parse(&text, &[]).unwrap();
    // These have no fixed default; the template says so.
    assert_eq!(shown.issuer.take().unwrap(), defaults.issuer_at(defaults.http.listen));
    assert!(shown.http.plain_listen.take().is_some());
    assert!(shown.http.mtls_listen.take().is_some() && shown.http.mtls_ca.take().is_some());
    assert!(shown.audit_file.take().is_some());
    shown.http.workers = defaults.http.workers;
    assert_eq!(format!("{shown:?}"), format!("{defaults:?}"));
}

/// The other way round: whatever key a configuration is asked for stands in the template, which is the reference.
#[test]
fn the_template_is_the_whole_reference() {
    let provider = "[[provider]]\nname = \"p\"\nissuer = \"https://p.example\"\nclient_id = \"c\"\n";
    let asked = super::reader::asked(|| drop(parse(provider, &[]).unwrap()));
    assert!(asked.len() > 40, "{asked:?}");
    for (section, key) in asked {
        let part = match section.as_str() {
            "" => TEMPLATE.split("\n[").next(),
            "provider" => TEMPLATE.split("\n#[[provider]]").nth(1),
            section => TEMPLATE.split(&format!("\n[{section}]\n")).nth(1).and_then(|rest| rest.split("\n[").next()),
        };
        let part = part.unwrap_or_else(|| panic!("no section {section}"));
        // A secret has no line of its own where its file has.
        let shown = |key: &str| ["\n#", "\n# "].iter().any(|start| part.contains(&format!("{start}{key} = ")));
        assert!(shown(&key) || shown(&format!("{key}_file")), "[{section}] {key}");
    }
}

#[test]
fn the_template_shows_every_key_of_a_provider() {
    let start = TEMPLATE.find("#[[provider]]").unwrap();
    let text: String = TEMPLATE[start..]
        .lines()
        .filter_map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')))
        .filter(|line| !line.contains("_file"))
        .map(|line| format!("{line}\n"))
        .collect();
    let config = parse(&text, &[("LATCHWORK_PROVIDER_COMPANY_CLIENT_SECRET", "s3cret")]).unwrap();
    let provider = config.providers.first().unwrap();
    assert_eq!(provider.client_secret.as_ref().map(|secret| secret.as_str()), Some("s3cret"));
    assert_eq!(provider.scopes, ["openid", "profile"]);
    assert!(!format!("{config:?}").contains("s3cret"));
}

#[test]
fn a_variable_counts_over_the_file() {
    let config = parse(
        "issuer = \"https://a.example\"\n[http]\nlisten = \"127.0.0.1:1\"\n[store]\ncache_mb = 1",
        &[
            ("LATCHWORK_ISSUER", "https://b.example"),
            ("LATCHWORK_HTTP_LISTEN", "[::1]:2"),
            ("LATCHWORK_STORE_CACHE_MB", "3"),
            ("LATCHWORK_COAP_OFF", "true"),
            ("LATCHWORK_ADMIN_TOKEN", "of another verb"),
        ],
    )
    .unwrap();
    assert_eq!(config.issuer.as_deref(), Some("https://b.example"));
    assert_eq!(config.http.listen.to_string(), "[::1]:2");
    assert_eq!(config.store.cache, 3 << 20);
    assert_eq!(config.coap.listen, None);
    assert_eq!(config.store.path, Path::new("/srv/latchwork/store"));
}

#[test]
fn each_kind_of_complaint() {
    let said = |text: &str| Config::parse(text, &BTreeMap::new(), Path::new("/srv/latchwork")).unwrap_err();
    assert!(matches!(said("[http"), ConfigError::Syntax(_)));
    assert!(matches!(said("isuer = 1"), ConfigError::Unknown(key) if key == "isuer"));
    assert!(matches!(said("[[provider]]\nname = \"p\""), ConfigError::Missing(key) if key == "provider.issuer"));
    assert!(matches!(said("[http]\nworkers = 0"), ConfigError::Wrong { key, .. } if key == "http.workers"));
    let nowhere = Config::load(Path::new("/no/such/directory")).unwrap_err();
    assert!(
        matches!(&nowhere, ConfigError::File { .. }) && nowhere.to_string().contains("latchwork init"),
        "{nowhere}"
    );
}

/// R9200-6.2-01, R8693-6-02
#[test]
fn every_complaint_names_its_key() {
    let provider = "[[provider]]\nname = \"p\"\nissuer = \"https://p.example\"\nclient_id = \"c\"\n";
    for (text, variable, complaint) in [
        ("isuer = \"https://a.example\"", None, "isuer: no such key"),
        ("[htpp]", None, "htpp: no such key"),
        ("[http]\nlisen = \"127.0.0.1:1\"", None, "http.lisen: no such key"),
        ("", Some(("LATCHWORK_HTTP_LISEN", "1")), "http.lisen: no such key"),
        ("[http]\nlisten = 8443", None, "http.listen: 8443 is not a text in quotes"),
        ("[http]\nlisten = \"8443\"", None, "http.listen: \"8443\" is not an IP address and a port"),
        ("", Some(("LATCHWORK_HTTP_LISTEN", "here")), "http.listen: \"here\" is not an IP address and a port"),
        (
            "[http]\nplain_listen = \"0.0.0.0:80\"",
            None,
            "http.plain_listen: \"0.0.0.0:80\" is not an address of this machine only",
        ),
        ("[http]\nplain_listen = \"10.0.0.1:80\"", None, "http.plain_listen"),
        ("[http]\nworkers = 0", None, "http.workers: 0 is not a number from 1 to 256"),
        ("[store]\nengine = \"oracle\"", None, "store.engine: \"oracle\" is not one of"),
        ("[store]\ncache_mb = -1", None, "store.cache_mb: -1 is not a number"),
        ("[store]\npath = \"\"", None, "store.path"),
        ("[coap]\noff = \"maybe\"", None, "coap.off: \"maybe\" is not true or false"),
        ("[lifetimes]\ncode = 3600", None, "lifetimes.code: 3600 is not a number from 1 to 600"),
        ("[limits]\nbody_kb = \"much\"", None, "limits.body_kb"),
        ("[log]\nfilter = \"a=b=c\"", None, "log.filter"),
        ("[log]\nformat = \"xml\"", None, "log.format"),
        ("[policy]\ndir = 3", None, "policy.dir"),
        ("[keys]\nkek = \"1234567\"", None, "keys.kek: the value is not 64 hexadecimal digits"),
        ("[keys]\nkek = \"1234567\"\nkek_file = \"k\"", None, "keys.kek: the value is not left out"),
        ("[keys]\nkek_file = \"k\"\npkcs11_module = \"m\"", None, "keys.pkcs11_module: \"m\" is not left out"),
        ("[keys]\npkcs11_module = \"m\"\npkcs11_pin = \"1234567\"", None, "keys.pkcs11_module: \"m\" is not followed"),
        ("[keys]\npkcs11_module = \"m\"\npkcs11_slot = 1", None, "keys.pkcs11_module: \"m\" is not followed"),
        ("[keys]\npkcs11_pin = 1234567", None, "keys.pkcs11_pin: the value is not a text"),
        ("[keys]\nretire_days = 30", None, "keys.retire_days: 30 is not a number from 31"),
        ("[keys]\nrotate_days = 30", None, "keys.rotate_days: 30 is not 0, or more days than"),
        ("[audit]\nfile = 3", None, "audit.file"),
        ("http = 3", None, "http"),
        ("issuer = \"http://a.example\"", None, "issuer: \"http://a.example\" is not an https URL"),
        ("issuer = \"https://a.example/\"", None, "issuer"),
        ("issuer = \"https://a.example?x\"", None, "issuer"),
        ("issuer = \"https://u:p@a.example\"", None, "issuer"),
        ("[provider]\nname = \"p\"", None, "provider: \"this\" is not a list: write [[provider]]"),
        ("[[provider]]\nname = \"p\"", None, "provider.issuer: missing"),
        ("[[provider]]\nname = \"P q\"", None, "provider.name"),
        ("[[provider]]\nname = \"p\"\nissuer = \"http://p.example\"", None, "provider.issuer"),
        (&format!("{provider}{provider}"), None, "provider.name: \"p\" is not a name of its own"),
        (&format!("{provider}colour = 1"), None, "provider.colour: no such key"),
        (&format!("{provider}scopes = [1]"), None, "provider.scopes"),
        (&format!("{provider}ca_file = \"none.pem\""), None, "provider.ca_file"),
        (&format!("{provider}client_secret_file = \"none\""), None, "provider.client_secret_file"),
        (
            &format!("{provider}client_secret = 1234567"),
            None,
            "provider.client_secret: the value is not a text in quotes",
        ),
        ("[http", None, "latchwork.toml: line 1: "),
        (&format!("{provider}client_secret = \"1234567"), None, "latchwork.toml: line 5: "),
        ("[http]\nlisten = \"0.0.0.0:8443\"", None, "http.listen: \"0.0.0.0:8443\" is not an address"),
        ("[http]\nlisten = \"[::]:8443\"", None, "http.listen"),
    ] {
        let refused = parse(text, variable.as_slice()).expect_err(text);
        assert!(!refused.contains("1234567") && !refused.contains('\n'), "a secret, or several lines: {refused}");
        assert!(refused.starts_with(complaint), "{text:?} {variable:?}: {refused}");
    }
}
