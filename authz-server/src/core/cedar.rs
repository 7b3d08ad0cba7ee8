//! Policies in Cedar: parsed and checked against the schema once, evaluated in microseconds.

use super::names::{ClientId, DoorName, PersonId, ScopeName};
use super::policy::{Asked, Policy, PolicyFailed, Verdict, Who};
use super::records::{Client, Door, Person};
use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityId, EntityTypeName, EntityUid, PolicyId, PolicySet, Request,
    RestrictedExpression, Schema, ValidationMode, Validator,
};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

/// A checked set of policies.
#[derive(Debug)]
pub struct Cedar {
    policies: PolicySet,
    authorizer: Authorizer,
    actions: HashMap<String, EntityUid>,
    action_entities: Vec<Entity>,
    types: Types,
    earlier: Mutex<HashMap<Names, Arc<Cast>>>,
}

/// Who stands at which door: what [`Cast`]s are found by.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Names {
    person: Option<PersonId>,
    client: ClientId,
    door: DoorName,
}

/// The entities of a question, with the records that they were made of. The same people ask at the same doors again and again, and
/// making the entities costs as much as deciding.
#[derive(Debug)]
struct Cast {
    person: Option<Person>,
    client: Client,
    principal: EntityUid,
    door: (Door, EntityUid),
    entities: Entities,
}

impl Cast {
    fn is_of(&self, asked: &Asked<'_>) -> bool {
        let (person, client) = parties(asked);
        self.person.as_ref() == person && self.client == *client && self.door.0 == *asked.door
    }
}

#[derive(Debug)]
struct Types {
    person: EntityTypeName,
    client: EntityTypeName,
    group: EntityTypeName,
    zone: EntityTypeName,
    door: EntityTypeName,
}

/// A policy file that cannot be used. Says which, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {problem}")]
pub struct BadPolicy {
    /// The file, as named by the caller.
    pub file: String,
    /// What Cedar says.
    pub problem: String,
}

/// The schema this server comes with; `latchwork init` writes it out.
pub const SCHEMA: &str = include_str!("../../../policies/latchwork.cedarschema");

/// The policies this server comes with, by file name.
pub const POLICIES: [(&str, &str); 2] = [
    ("doors.cedar", include_str!("../../../policies/doors.cedar")),
    ("limits.cedar", include_str!("../../../policies/limits.cedar")),
];

impl Cedar {
    /// The policies this server comes with.
    pub fn embedded() -> Result<Self, BadPolicy> {
        Self::from_sources(SCHEMA, &POLICIES)
    }

    /// Parses and validates. Each policy needs an `@id`, unique over all files: the audit log names policies by it.
    pub fn from_sources(schema: &str, files: &[(&str, &str)]) -> Result<Self, BadPolicy> {
        let bad = |file: &str, problem: String| BadPolicy { file: file.into(), problem };
        let (schema, _) = Schema::from_cedarschema_str(schema).map_err(|e| bad("schema", report(&e)))?;
        let mut policies = PolicySet::new();
        for (file, text) in files {
            let parsed: PolicySet = text.parse().map_err(|e| bad(file, report(&e)))?;
            for policy in parsed.policies() {
                let id = policy
                    .annotation("id")
                    .ok_or_else(|| bad(file, format!("{}: a policy needs an @id", policy.id())))?;
                policies.add(policy.new_id(PolicyId::new(id))).map_err(|e| bad(file, report(&e)))?;
            }
        }
        let action_entities =
            schema.action_entities().map_err(|e| bad("schema", report(&e)))?.iter().cloned().collect();
        let actions = schema.actions().map(|uid| (uid.id().unescaped().to_owned(), uid.clone())).collect();
        let checked = Validator::new(schema).validate(&policies, ValidationMode::Strict);
        if let Some(error) = checked.validation_errors().next() {
            return Err(bad("policies", report(error)));
        }
        let name = |name: &str| name.parse().map_err(|e| bad("schema", report(&e)));
        let types = Types {
            person: name("Person")?,
            client: name("Client")?,
            group: name("Group")?,
            zone: name("Zone")?,
            door: name("Door")?,
        };
        let earlier = Mutex::default();
        Ok(Self { policies, authorizer: Authorizer::new(), actions, action_entities, types, earlier })
    }

    /// The entities of the question, as the records are now.
    fn cast(&self, asked: &Asked<'_>) -> Result<Arc<Cast>, PolicyFailed> {
        let (person, client) = parties(asked);
        let names = Names {
            person: person.map(|person| person.id.clone()),
            client: client.id.clone(),
            door: asked.door.name.clone(),
        };
        let earlier = self.earlier.lock().unwrap_or_else(PoisonError::into_inner).get(&names).cloned();
        if let Some(cast) = earlier
            && cast.is_of(asked)
        {
            return Ok(cast);
        }
        let (principal, door, entities) = self.entities(asked)?;
        let cast = Arc::new(Cast {
            person: person.cloned(),
            client: client.clone(),
            principal,
            door: (asked.door.clone(), door),
            entities,
        });
        let mut earlier = self.earlier.lock().unwrap_or_else(PoisonError::into_inner);
        if earlier.len() >= CASTS {
            earlier.clear();
        }
        earlier.insert(names, Arc::clone(&cast));
        Ok(cast)
    }

    fn entities(&self, asked: &Asked<'_>) -> Result<(EntityUid, EntityUid, Entities), PolicyFailed> {
        let types = &self.types;
        let door = uid(&types.door, asked.door.name.as_str());
        let mut all = self.action_entities.clone();
        all.push(self.door(asked.door, door.clone())?);
        let principal = match asked.who {
            Who::Person { person, app } => {
                let who = uid(&types.person, &person.id.to_string());
                let issuer = RestrictedExpression::new_string(person.id.issuer().into());
                let groups = person.groups.iter().map(|group| uid(&types.group, group));
                all.push(Entity::new_with_tags(who.clone(), [("issuer".into(), issuer)], groups, []).map_err(failed)?);
                all.push(self.client(app)?);
                who
            }
            Who::Machine(client) => {
                all.push(self.client(client)?);
                uid(&types.client, client.id.as_str())
            }
        };
        Ok((principal, door, Entities::from_entities(all, None).map_err(failed)?))
    }

    fn door(&self, door: &Door, name: EntityUid) -> Result<Entity, PolicyFailed> {
        let owners = door
            .owners
            .iter()
            .map(|who| RestrictedExpression::new_entity_uid(uid(&self.types.person, &who.to_string())));
        let owners = RestrictedExpression::new_set(owners);
        let zone = door.zone.iter().map(|zone| uid(&self.types.zone, zone));
        Entity::new_with_tags(name, [("owners".into(), owners)], zone, tags(&door.attributes)).map_err(failed)
    }

    fn client(&self, client: &Client) -> Result<Entity, PolicyFailed> {
        let name = uid(&self.types.client, client.id.as_str());
        Entity::new_with_tags(name, [], HashSet::new(), tags(&client.attributes)).map_err(failed)
    }
}

impl Policy for Cedar {
    fn decide(&self, asked: &Asked<'_>, words: &[&ScopeName]) -> Result<Vec<Verdict>, PolicyFailed> {
        let cast = self.cast(asked)?;
        let mut facts = vec![
            ("owner_consent".to_owned(), RestrictedExpression::new_bool(asked.owner_consent)),
            ("now".to_owned(), RestrictedExpression::new_long(asked.now.0)),
        ];
        if let Who::Person { app, .. } = asked.who {
            facts.push(("app".into(), RestrictedExpression::new_entity_uid(uid(&self.types.client, app.id.as_str()))));
        }
        let context = Context::from_pairs(facts).map_err(failed)?;
        words
            .iter()
            .map(|word| {
                let Some(action) = self.actions.get(word.as_str()) else {
                    return Ok(Verdict { allowed: false, by: Vec::new() });
                };
                let (principal, door) = (cast.principal.clone(), cast.door.1.clone());
                let request = Request::new(principal, action.clone(), door, context.clone(), None).map_err(failed)?;
                let answer = self.authorizer.is_authorized(&request, &self.policies, &cast.entities);
                // A policy that fails is skipped by Cedar; were it a `forbid`, skipping it would grant.
                if let Some(error) = answer.diagnostics().errors().next() {
                    return Err(failed(error));
                }
                Ok(Verdict {
                    allowed: answer.decision() == Decision::Allow,
                    by: answer.diagnostics().reason().map(ToString::to_string).collect(),
                })
            })
            .collect()
    }
}

/// The person, if there is one, and the client that asks.
fn parties<'q>(asked: &Asked<'q>) -> (Option<&'q Person>, &'q Client) {
    match asked.who {
        Who::Person { person, app } => (Some(person), app),
        Who::Machine(client) => (None, client),
    }
}

fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

fn tags(attributes: &BTreeMap<String, String>) -> impl Iterator<Item = (String, RestrictedExpression)> {
    attributes.iter().map(|(name, value)| (name.clone(), RestrictedExpression::new_string(value.clone())))
}

fn failed(error: impl std::fmt::Display) -> PolicyFailed {
    PolicyFailed(error.to_string())
}

/// The error with its causes, on one line.
fn report(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Questions whose entities are kept.
const CASTS: usize = 1024;
