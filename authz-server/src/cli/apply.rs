//! `latchwork apply -f FILE`: make true what the file declares, and say what changed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use clap::Args;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::Failure;
use super::server::Server;
use crate::config::complaint;
use crate::shell::declaration::{Action, Difference};

/// Create or change clients, OSCORE contexts, locks, doors and consents, and print the difference
#[derive(Args)]
pub(super) struct Apply {
    /// What shall be: TOML with [[client]] [[oscore]] [[lock]] [[door]] [[consent]]
    #[arg(short, long)]
    file: PathBuf,
    /// Only say what would change
    #[arg(long)]
    dry_run: bool,
    /// Print the difference as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

#[derive(Deserialize)]
struct Applied {
    differences: Vec<Difference>,
}

impl Apply {
    pub(super) fn run(self) -> Result<(), Failure> {
        let text = std::fs::read_to_string(&self.file).map_err(|cause| Failure::io(self.file.display(), cause))?;
        let beside = self.file.parent().unwrap_or(Path::new("."));
        let variables: HashMap<String, String> = std::env::vars().collect();
        let declaration = declaration(&text, beside, &variables)
            .map_err(|problem| Failure::Other(format!("{}: {problem}", self.file.display()).into()))?;
        let path = if self.dry_run { "apply?dry_run=true" } else { "apply" };
        let applied: Option<Applied> = self.server.connect()?.ask(Method::POST, path, Some(&declaration))?;
        let differences = applied.map(|applied| applied.differences).unwrap_or_default();
        self.say(&differences).map_err(|cause| Failure::io("standard output", cause))
    }

    fn say(&self, differences: &[Difference]) -> std::io::Result<()> {
        use std::io::Write as _;
        let mut out = std::io::stdout().lock();
        if self.json {
            return writeln!(out, "{}", serde_json::json!({ "dry_run": self.dry_run, "differences": differences }));
        }
        let mut changed = 0;
        for Difference { kind, name, action, fields } in differences {
            let sign = match action {
                Action::Create => '+',
                Action::Update => '~',
                Action::Delete => '-',
                Action::Keep => ' ',
            };
            changed += usize::from(*action != Action::Keep);
            let fields = if fields.is_empty() { String::new() } else { format!("  ({})", fields.join(", ")) };
            writeln!(out, "{sign} {kind:<8} {name}{fields}")?;
        }
        let kept = differences.len() - changed;
        writeln!(
            out,
            "{changed} changed, {kept} as declared{}",
            if self.dry_run { "; nothing was written" } else { "" }
        )
    }
}

/// The file as the server takes it: secrets fetched from where the file says, times as text.
fn declaration(text: &str, beside: &Path, variables: &HashMap<String, String>) -> Result<Value, String> {
    let table: toml::Table = text.parse().map_err(|cause| complaint(text, &cause))?;
    let mut declaration = as_json(toml::Value::Table(table));
    for list in declaration.as_object_mut().into_iter().flat_map(Map::values_mut) {
        for entry in list.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
            for secret in SECRETS {
                fetch(entry, secret, beside, variables)?;
            }
        }
    }
    Ok(declaration)
}

/// `NAME_file` and `NAME_env` become `NAME`.
fn fetch(
    entry: &mut Map<String, Value>,
    name: &str,
    beside: &Path,
    variables: &HashMap<String, String>,
) -> Result<(), String> {
    let (in_file, in_env) = (format!("{name}_file"), format!("{name}_env"));
    let mut found = Vec::new();
    if let Some(value) = entry.remove(&in_file) {
        let file = beside.join(value.as_str().ok_or(format!("{in_file} is the name of a file"))?);
        found.push(std::fs::read_to_string(&file).map_err(|cause| format!("{}: {cause}", file.display()))?);
    }
    if let Some(value) = entry.remove(&in_env) {
        let variable = value.as_str().ok_or(format!("{in_env} is the name of a variable"))?;
        found.push(variables.get(variable).ok_or(format!("the variable {variable} is not set"))?.clone());
    }
    if found.len() + usize::from(entry.contains_key(name)) > 1 {
        return Err(format!("give one of {name}, {in_file} and {in_env}"));
    }
    if let Some(secret) = found.pop() {
        entry.insert(name.to_owned(), Value::String(secret.trim_end().to_owned()));
    }
    Ok(())
}

fn as_json(value: toml::Value) -> Value {
    match value {
        toml::Value::Datetime(time) => Value::String(time.to_string()),
        toml::Value::Array(items) => items.into_iter().map(as_json).collect(),
        toml::Value::Table(table) => {
            Value::Object(table.into_iter().map(|(key, value)| (key, as_json(value))).collect())
        }
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(flag) => flag.into(),
    }
}

const SECRETS: [&str; 3] = ["secret", "master_secret", "master_salt"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_come_from_where_the_file_says() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("robot.secret"), "from-a-file\n").unwrap();
        let variables = HashMap::from([("ROBOT".to_owned(), "from-the-environment".to_owned())]);
        for (line, secret) in [
            ("secret = 'inline'", Ok("inline")),
            ("secret_file = 'robot.secret'", Ok("from-a-file")),
            ("secret_env = 'ROBOT'", Ok("from-the-environment")),
            ("secret_env = 'NOBODY'", Err(())),
            ("secret_file = 'nowhere'", Err(())),
            ("secret = 'a'\nsecret_env = 'ROBOT'", Err(())),
            ("secret_env = 5", Err(())),
        ] {
            let got = declaration(&format!("[[client]]\nid = 'robot'\n{line}"), dir.path(), &variables);
            let got = got.map(|declaration| declaration["client"][0]["secret"].as_str().unwrap().to_owned());
            assert_eq!(got.as_deref().map_err(|_| ()), secret, "{line}");
        }
    }

    #[test]
    fn a_time_is_text_and_the_rest_stays() {
        let made =
            declaration("[[consent]]\nuntil = 2027-01-31T18:00:00Z\nn = 3", Path::new("."), &HashMap::new()).unwrap();
        assert_eq!(made, serde_json::json!({ "consent": [{ "until": "2027-01-31T18:00:00Z", "n": 3 }] }));
    }
}
