//! Cases beside the policies: who asks, and what must be decided. `latchwork policy check` and a test run them.

use super::names::{DoorName, LockName, PersonId, ScopeName};
use super::policy::{Asked, Policy, Who};
use super::records::{Client, ClientAuth, ClientKind, Door, Person};
use super::scope::Scope;
use super::time::Timestamp;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// The cases this server comes with.
pub const CASES: &str = include_str!("../../../policies/cases/doors.toml");

/// Runs a file of cases. An empty answer means that all hold.
pub fn run(policy: &dyn Policy, file: &str) -> Result<Vec<Failure>, BadCases> {
    let file: File = toml::from_str(file).map_err(|e| BadCases(e.message().replace('\n', ", ")))?;
    let mut failures = Vec::new();
    for case in &file.case {
        if let Some(problem) = case.problem(policy, &file.doors)? {
            failures.push(Failure { why: case.why.clone(), problem });
        }
    }
    Ok(failures)
}

/// A case whose answer was another.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}: {problem}")]
pub struct Failure {
    /// The case.
    pub why: String,
    /// What came instead.
    pub problem: String,
}

/// The file is no file of cases.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a file of cases: {0}")]
pub struct BadCases(String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    doors: BTreeMap<DoorName, CaseDoor>,
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseDoor {
    zone: Option<String>,
    #[serde(default)]
    owners: Vec<String>,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    why: String,
    person: Option<String>,
    #[serde(default)]
    groups: BTreeSet<String>,
    client: Option<String>,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    door: DoorName,
    scope: ScopeName,
    #[serde(default)]
    owner_consent: bool,
    allowed: bool,
    by: Option<Vec<String>>,
}

impl Case {
    fn problem(&self, policy: &dyn Policy, doors: &BTreeMap<DoorName, CaseDoor>) -> Result<Option<String>, BadCases> {
        let bad = |problem: String| BadCases(format!("{}: {problem}", self.why));
        let door = doors.get(&self.door).ok_or_else(|| bad(format!("no door {}", self.door)))?;
        let somebody = |name: &str| PersonId::new(ISSUER, name).map_err(|e| bad(e.to_string()));
        let door = Door {
            name: self.door.clone(),
            title: String::new(),
            lock: self.door.as_str().parse::<LockName>().map_err(|e| bad(e.to_string()))?,
            owners: door.owners.iter().map(|name| somebody(name)).collect::<Result<_, _>>()?,
            zone: door.zone.clone(),
            attributes: door.attributes.clone(),
        };
        let name = self.client.as_deref().unwrap_or("app");
        let client = Client {
            id: name.parse().map_err(|e| bad(format!("{e}")))?,
            title: String::new(),
            kind: ClientKind::Confidential { redirect_uris: Vec::new() },
            auth: ClientAuth::None,
            grants: BTreeSet::new(),
            pushed_only: false,
            origins: Default::default(),
            registered: None,
            ceiling: Scope::default(),
            profiles: BTreeSet::new(),
            attributes: self.attributes.clone(),
        };
        let person = match (&self.person, &self.client) {
            (Some(name), None) => Some(Person {
                id: somebody(name)?,
                name: name.clone(),
                groups: self.groups.clone(),
                signed_in: Timestamp(0),
            }),
            (None, Some(_)) => None,
            _ => return Err(bad("needs a person or a client".into())),
        };
        let who = match &person {
            Some(person) => Who::Person { person, app: &client },
            None => Who::Machine(&client),
        };
        let asked = Asked { who, door: &door, owner_consent: self.owner_consent, now: Timestamp(0) };
        let verdict = match policy.decide(&asked, &[&self.scope]) {
            Ok(verdicts) => verdicts.into_iter().next(),
            Err(failed) => return Ok(Some(failed.to_string())),
        };
        let Some(mut verdict) = verdict else { return Ok(Some("no verdict".into())) };
        verdict.by.sort();
        Ok(if verdict.allowed != self.allowed {
            Some(format!("allowed = {}, by {:?}", verdict.allowed, verdict.by))
        } else if self.by.as_ref().is_some_and(|by| *by != verdict.by) {
            Some(format!("decided by {:?}", verdict.by))
        } else {
            None
        })
    }
}

const ISSUER: &str = "https://idp.example";

#[cfg(test)]
mod tests {
    use super::super::cedar::{Cedar, POLICIES, SCHEMA};
    use super::*;

    #[test]
    fn every_case_beside_the_policies_holds() {
        let policy = Cedar::embedded().unwrap();
        assert_eq!(run(&policy, CASES).unwrap(), []);
    }

    #[test]
    fn without_its_limits_a_case_fails() {
        let policy = Cedar::from_sources(SCHEMA, &POLICIES[..1]).unwrap();
        assert!(!run(&policy, CASES).unwrap().is_empty());
    }

    #[test]
    fn bad_policies_name_their_file() {
        let permit = r#"permit(principal, action, resource);"#;
        for (text, problem) in [
            ("permit(", "unexpected end"),
            (permit, "needs an @id"),
            (r#"@id("a") permit(principal, action, resource) when { context.owner };"#, "owner"),
            (r#"@id("a") permit(principal is Robot, action, resource);"#, "Robot"),
        ] {
            let bad = Cedar::from_sources(SCHEMA, &[("x.cedar", text)]).unwrap_err().to_string();
            assert!(bad.contains(problem), "{text}: {bad}");
        }
        let twice = format!(r#"@id("a") {permit} @id("a") {permit}"#);
        assert!(Cedar::from_sources(SCHEMA, &[("x.cedar", &twice)]).is_err());
    }
}
