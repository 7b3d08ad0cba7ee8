//! docs/conformance.tsv, the ledger: every requirement of every specification that we claim, with the test that shows it or
//! the reason why none does.

use std::collections::{BTreeMap, BTreeSet};

use latchwork_house::named::{about, has_rows, is_ignored};
use latchwork_house::{files, root};

const COLUMNS: &str = "id\trole\tlevel\tsection\trequirement\ttest\tshown_by\texception";

/// How an exception begins, before its colon and its reason.
const KINDS: &[&str] =
    &["waits for the DTLS work", "waits for the EDHOC work", "not built yet", "not offered", "deviation"];

/// What the metadata of the server may say, with the specification that it claims by saying so (RFC 8414 §7.1).
const METADATA: &[(&str, &str)] = &[
    ("issuer", "R8414"),
    ("token_endpoint", "R6749"),
    ("revocation_endpoint", "R7009"),
    ("introspection_endpoint", "R7662"),
    ("code_challenge_methods_supported", "R7636"),
    ("registration_endpoint", "R7591"),
    ("device_authorization_endpoint", "R8628"),
    ("tls_client_certificate_bound_access_tokens", "R8705"),
    ("mtls_endpoint_aliases", "R8705"),
    ("tls_client_auth", "R8705"),
    ("pushed_authorization_request_endpoint", "R9126"),
    ("authorization_response_iss_parameter_supported", "R9207"),
    ("authorization_details_types_supported", "R9396"),
    ("dpop_signing_alg_values_supported", "R9449"),
    ("private_key_jwt", "R7523"),
    ("urn:ietf:params:oauth:grant-type:token-exchange", "R8693"),
    ("urn:ietf:params:oauth:grant-type:device_code", "R8628"),
    ("ace_profiles_supported", "R9200"),
    ("coap_oscore", "R9203"),
    ("coap_dtls", "R9202"),
    ("coap_edhoc_oscore", "EDHOC"),
];

/// One requirement.
struct Row {
    id: String,
    role: String,
    level: String,
    section: String,
    requirement: String,
    shown_by: Vec<String>,
    exception: String,
}

impl Row {
    fn parse(line: &str) -> Self {
        let columns: Vec<&str> = line.split('\t').collect();
        assert_eq!(columns.len(), COLUMNS.split('\t').count(), "columns: {line}");
        let &[id, role, level, section, requirement, _, shown_by, exception] = columns.as_slice() else {
            unreachable!()
        };
        Self {
            id: id.into(),
            role: role.into(),
            level: level.into(),
            section: section.into(),
            requirement: requirement.into(),
            shown_by: shown_by.split(' ').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
            exception: exception.into(),
        }
    }

    fn specification(&self) -> &str {
        self.id.split('-').next().unwrap_or_default()
    }
}

fn ledger() -> Vec<Row> {
    let text = std::fs::read_to_string(root().join("docs/conformance.tsv")).unwrap_or_default();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some(COLUMNS), "the columns");
    lines.map(Row::parse).collect()
}

/// The rows of the ledger, and those that wait in docs/conformance/ to be folded into it.
fn ids() -> BTreeSet<String> {
    let waiting = files(".tsv").into_iter().filter(|(path, _)| path.starts_with("docs/conformance/"));
    let waiting = waiting.flat_map(|(_, text)| text.lines().map(str::to_owned).collect::<Vec<_>>());
    let waiting = waiting.filter_map(|line| line.split('\t').next().map(str::to_owned));
    ledger().into_iter().map(|row| row.id).chain(waiting).collect()
}

fn specifications(ids: &BTreeSet<String>) -> BTreeSet<String> {
    ids.iter().filter_map(|id| id.split('-').next().map(str::to_owned)).collect()
}

#[test]
fn every_requirement_is_shown_or_excepted() {
    let mut ids = BTreeSet::new();
    let rows = ledger();
    assert!(rows.len() >= 451, "rows were lost: {}", rows.len());
    for row in &rows {
        let id = &row.id;
        assert!(ids.insert(id), "{id} twice");
        let number = id.strip_prefix(&format!("{}-{}-", row.specification(), row.section));
        assert!(number.is_some_and(|number| number.len() == 2), "{id} is in section {}", row.section);
        assert!(["AS", "C", "RS", "any"].contains(&&*row.role), "{id}: role {}", row.role);
        let levels = ["MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "MAY"];
        assert!(levels.contains(&&*row.level), "{id}: level {}", row.level);
        assert!(row.requirement.len() > 10, "{id} requires nothing");
        let held = !row.shown_by.is_empty() || !row.exception.is_empty();
        assert!(
            held || !row.level.starts_with("MUST"),
            "{id} has neither a test nor an exception: {}",
            row.requirement
        );
        if !row.exception.is_empty() {
            assert_eq!(unreasoned(&row.exception), None, "{id}: {}", row.exception);
        }
    }
}

/// What an exception lacks.
fn unreasoned(exception: &str) -> Option<&'static str> {
    let Some((kind, reason)) = exception.split_once(": ") else { return Some("a kind, a colon and a reason") };
    if !KINDS.contains(&kind) {
        return Some("one of the kinds");
    }
    if reason.len() < 25 || reason.split(' ').count() < 4 {
        return Some("a reason that somebody can judge");
    }
    let words: Vec<String> = reason.to_lowercase().split(|c: char| !c.is_alphanumeric()).map(str::to_owned).collect();
    if ["todo", "tbd", "fixme", "xxx"].iter().any(|stub| words.iter().any(|word| word == stub)) {
        return Some("a reason instead of a promise");
    }
    if kind == "deviation" && !reason.contains(['/', '§']) {
        return Some("the place where it is decided");
    }
    None
}

#[test]
fn what_is_no_reason() {
    for (exception, reasoned) in [
        ("not offered: people have no resource that outlives one exchange", true),
        ("deviation: refresh names one audience of the grant (RFC 9700 §2.3)", true),
        ("deviation: refresh names one audience of the grant, we like it so", false),
        ("because: people have no resource that outlives one exchange", false),
        ("not offered: no", false),
        ("not offered: onewordthatislongenoughtobeareason", false),
        ("not offered: TODO find a reason that is good enough", false),
        ("not offered", false),
    ] {
        assert_eq!(unreasoned(exception).is_none(), reasoned, "{exception}");
    }
}

#[test]
fn every_named_test_runs_and_names_its_row() {
    let sources: BTreeMap<String, String> = files("").into_iter().collect();
    let mut wrong = Vec::new();
    for row in ledger() {
        for name in &row.shown_by {
            if let Err(problem) = shows(&sources, name, &row.id) {
                wrong.push(format!("{}: {name} {problem}", row.id));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn shows(sources: &BTreeMap<String, String>, name: &str, id: &str) -> Result<(), &'static str> {
    let (path, test) = name.split_once("::").ok_or("is no path::function")?;
    let text = sources.get(path).ok_or("is in no file")?;
    let about = about(text, test).ok_or("is not there")?;
    if is_ignored(&about) {
        return Err("is not run");
    }
    match path.ends_with(".rs") {
        // A row of a macro has its attribute in the macro.
        true if !about.contains("test") && !has_rows(text) => return Err("is no test"),
        true => {}
        false => is_called(sources, path).then_some(()).ok_or("is a script that no test runs")?,
    }
    let mut words = about.split(|c: char| !c.is_ascii_alphanumeric() && !".-".contains(c));
    if words.any(|word| word.trim_end_matches('.') == id) { Ok(()) } else { Err("does not name it") }
}

/// Whether a test, the Makefile or another script names this script.
fn is_called(sources: &BTreeMap<String, String>, script: &str) -> bool {
    let name = script.rsplit('/').next().unwrap_or(script);
    let calls = |path: &str| path == "Makefile" || path.ends_with(".rs") || path.starts_with("tests/interop/");
    sources.iter().any(|(path, text)| path != script && calls(path) && text.contains(name))
}

/// A row that a test names is a row that is there.
#[test]
fn tests_name_rows_that_exist() {
    let ids = ids();
    let specifications = specifications(&ids);
    for (path, text) in files(".rs").iter().chain(&files(".py")) {
        for (number, line) in text.lines().enumerate().filter(|(_, line)| line.trim_start().starts_with("///")) {
            for word in line.split(|c: char| !c.is_ascii_alphanumeric() && !".-".contains(c)) {
                let word = word.trim_end_matches('.');
                let of = word.split('-').next().unwrap_or_default();
                let like_an_id = specifications.contains(of) && word.matches('-').count() == 2;
                assert!(!like_an_id || ids.contains(word), "{path}:{}: there is no row {word}", number + 1);
            }
        }
    }
}

#[test]
fn every_claim_has_rows() {
    let covered = specifications(&ids());
    let readme = std::fs::read_to_string(root().join("README.md")).expect("README.md");
    let mut claimed: BTreeMap<String, &str> = rfcs(&readme).into_iter().map(|rfc| (rfc, "README.md")).collect();
    for (_, text) in files(".rs").iter().filter(|(path, _)| path.starts_with("authz-server/src/")) {
        for (member, specification) in METADATA.iter().filter(|(member, _)| text.contains(&format!("\"{member}\""))) {
            claimed.insert((*specification).to_owned(), member);
        }
    }
    assert!(claimed.len() >= 5, "the claims have moved: {claimed:?}");
    for (specification, place) in claimed {
        assert!(covered.contains(&specification), "{specification} is claimed ({place}) and has no rows");
    }
}

/// The RFCs that a text names, as the ledger calls them: `RFC 9200`, `rfc9200`, `RFC 9200, 9201 and 9203`.
fn rfcs(text: &str) -> BTreeSet<String> {
    let lower = text.to_lowercase();
    let mut found = BTreeSet::new();
    for after in lower.split("rfc").skip(1) {
        let mut rest = after;
        while let Some(number) = rest.trim_start_matches([' ', '-', '\u{a0}', ',', '\n']).get(..4) {
            if !number.bytes().all(|byte| byte.is_ascii_digit()) {
                break;
            }
            found.insert(format!("R{number}"));
            rest = rest.split_once(number).map_or("", |(_, rest)| rest);
            rest = rest.strip_prefix(" and").unwrap_or(rest);
        }
    }
    found
}

#[test]
fn rfcs_as_people_name_them() {
    let text = "(https://example/rfc9200), RFC 9201, 9203 and 9237; RFC\u{a0}8613, 12 locks; an RFC";
    assert_eq!(rfcs(text).into_iter().collect::<Vec<_>>(), ["R8613", "R9200", "R9201", "R9203", "R9237"]);
}
