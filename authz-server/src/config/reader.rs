//! Reads keys one by one, so that each complaint can name its key and nothing is left over unread.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use toml::{Table, Value};
use zeroize::Zeroizing;

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is no file to read.
    #[error("{}: {cause}; `latchwork init` writes one", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// The file is no TOML.
    #[error("latchwork.toml: {0}")]
    Syntax(String),
    /// A key that does not exist.
    #[error("{0}: no such key")]
    Unknown(String),
    /// A key without which it makes no sense.
    #[error("{0}: missing")]
    Missing(String),
    /// A value that cannot be.
    #[error("{key}: {value} is not {rule}")]
    Wrong {
        /// Its full name.
        key: String,
        /// What was there; not shown for a secret.
        value: String,
        /// What should be.
        rule: String,
    },
}

impl ConfigError {
    pub(super) fn wrong(key: &str, value: &str, rule: &str) -> Self {
        Self::Wrong { key: key.to_owned(), value: format!("{value:?}"), rule: rule.to_owned() }
    }
}

/// The file and the environment, from which keys are taken.
pub(super) struct Source<'s> {
    table: Table,
    variables: BTreeMap<String, String>,
    dir: &'s Path,
    known: Vec<String>,
}

impl<'s> Source<'s> {
    pub(super) fn new(text: &str, variables: &BTreeMap<String, String>, dir: &'s Path) -> Result<Self, ConfigError> {
        let table = text.parse().map_err(|error: toml::de::Error| ConfigError::Syntax(complaint(text, &error)))?;
        let variables = variables
            .iter()
            .filter(|(name, _)| name.starts_with(PREFIX))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        Ok(Self { table, variables, dir, known: Vec::new() })
    }

    /// The keys outside any section.
    pub(super) fn top(&mut self) -> Section<'s> {
        let (inner, outer): (Table, Table) = std::mem::take(&mut self.table).into_iter().partition(|(_, value)| {
            !value.is_table() && !matches!(value, Value::Array(items) if items.iter().any(Value::is_table))
        });
        self.table = outer;
        let variables = self.variables.remove(&format!("{PREFIX}ISSUER")).map(|value| ("issuer".to_owned(), value));
        Section {
            path: String::new(),
            table: inner,
            variables: variables.into_iter().collect(),
            dir: self.dir,
            seen: Vec::new(),
        }
    }

    pub(super) fn section(&mut self, name: &str) -> Result<Section<'s>, ConfigError> {
        let table = match self.table.remove(name) {
            None => Table::new(),
            Some(Value::Table(table)) => table,
            Some(_) => return Err(ConfigError::wrong(name, "this", "a section")),
        };
        Ok(self.make(name.to_owned(), name, table))
    }

    /// `[[name]]`, each with a key `name` of its own, which its environment variables carry too.
    pub(super) fn sections(&mut self, name: &str) -> Result<Vec<Section<'s>>, ConfigError> {
        let items = match self.table.remove(name) {
            None => Vec::new(),
            Some(Value::Array(items)) => items,
            Some(_) => return Err(ConfigError::wrong(name, "this", &format!("a list: write [[{name}]]"))),
        };
        let mut sections = Vec::new();
        for item in items {
            let Value::Table(table) = item else {
                return Err(ConfigError::wrong(name, "this", &format!("a list of sections: write [[{name}]]")));
            };
            let own = table.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
            sections.push(self.make(name.to_owned(), &format!("{name}_{own}"), table));
        }
        Ok(sections)
    }

    /// Refuses what nobody asked for.
    pub(super) fn end(self) -> Result<(), ConfigError> {
        if let Some(section) = self.table.keys().next() {
            return Err(ConfigError::Unknown(section.clone()));
        }
        // Other programs may have variables with our prefix; below a section of ours we are strict.
        match self.variables.keys().find(|name| self.known.iter().any(|known| name.starts_with(known))) {
            Some(name) => Err(ConfigError::Unknown(name.clone())),
            None => Ok(()),
        }
    }

    fn make(&mut self, path: String, name: &str, table: Table) -> Section<'s> {
        let prefix = format!("{PREFIX}{}_", variable(name));
        let own: Vec<String> = self.variables.keys().filter(|name| name.starts_with(&prefix)).cloned().collect();
        let mut variables = BTreeMap::new();
        for name in own {
            if let (Some(key), Some(value)) = (name.strip_prefix(&prefix), self.variables.remove(&name)) {
                variables.insert(key.to_ascii_lowercase(), value);
            }
        }
        self.known.push(prefix);
        Section { path, table, variables, dir: self.dir, seen: Vec::new() }
    }
}

/// One section; a variable counts over the file's key.
pub(super) struct Section<'s> {
    path: String,
    table: Table,
    variables: BTreeMap<String, String>,
    dir: &'s Path,
    seen: Vec<(&'static str, String)>,
}

impl Section<'_> {
    /// Reads the rest with `read`, then refuses keys that were not asked for.
    pub(super) fn finish<T>(
        mut self,
        read: impl FnOnce(&mut Self) -> Result<T, ConfigError>,
    ) -> Result<T, ConfigError> {
        let value = read(&mut self)?;
        self.end()?;
        Ok(value)
    }

    pub(super) fn end(self) -> Result<(), ConfigError> {
        match self.table.keys().chain(self.variables.keys()).next() {
            Some(key) => Err(ConfigError::Unknown(self.name(key))),
            None => Ok(()),
        }
    }

    pub(super) fn text(&mut self, key: &'static str) -> Result<Option<String>, ConfigError> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(key, "a text in quotes")),
        }
    }

    pub(super) fn needed(&mut self, key: &'static str) -> Result<String, ConfigError> {
        self.text(key)?.ok_or_else(|| ConfigError::Missing(self.name(key)))
    }

    pub(super) fn texts(&mut self, key: &'static str) -> Result<Option<Vec<String>>, ConfigError> {
        let rule = "a list of texts";
        match self.take(key) {
            None => Ok(None),
            // As a variable: words.
            Some(Value::String(text)) => Ok(Some(text.split_whitespace().map(str::to_owned).collect())),
            Some(Value::Array(items)) => items
                .into_iter()
                .map(|item| match item {
                    Value::String(text) => Ok(text),
                    _ => Err(self.wrong(key, rule)),
                })
                .collect::<Result<_, _>>()
                .map(Some),
            Some(_) => Err(self.wrong(key, rule)),
        }
    }

    pub(super) fn parsed<T: FromStr>(&mut self, key: &'static str, rule: &str) -> Result<Option<T>, ConfigError> {
        match self.text(key)? {
            None => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|_| self.wrong(key, rule)),
        }
    }

    pub(super) fn number(&mut self, key: &'static str, range: RangeInclusive<u64>) -> Result<Option<u64>, ConfigError> {
        let number = match self.take(key) {
            None => return Ok(None),
            Some(Value::Integer(number)) => u64::try_from(number).ok(),
            Some(Value::String(text)) => text.parse().ok(),
            Some(_) => None,
        };
        match number {
            Some(number) if range.contains(&number) => Ok(Some(number)),
            _ => Err(self.wrong(key, &format!("a number from {} to {}", range.start(), range.end()))),
        }
    }

    pub(super) fn flag(&mut self, key: &'static str) -> Result<Option<bool>, ConfigError> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Boolean(flag)) => Ok(Some(flag)),
            Some(Value::String(text)) => text.parse().map(Some).map_err(|_| self.wrong(key, "true or false")),
            Some(_) => Err(self.wrong(key, "true or false")),
        }
    }

    pub(super) fn path(&mut self, key: &'static str, default: &str) -> Result<PathBuf, ConfigError> {
        Ok(self.path_if_set(key)?.unwrap_or_else(|| self.dir.join(default)))
    }

    pub(super) fn path_if_set(&mut self, key: &'static str) -> Result<Option<PathBuf>, ConfigError> {
        match self.text(key)? {
            Some(text) if text.is_empty() => Err(self.wrong(key, "a path")),
            text => Ok(text.map(|text| self.dir.join(text))),
        }
    }

    /// A secret, from `key` or from the file that `file` names.
    pub(super) fn secret(
        &mut self,
        key: &'static str,
        file: &'static str,
    ) -> Result<Option<Zeroizing<String>>, ConfigError> {
        match (self.text(key)?, self.path_if_set(file)?) {
            (Some(_), Some(_)) => Err(self.wrong(file, &format!("left out beside {key}"))),
            (Some(secret), None) => Ok(Some(secret.into())),
            (None, Some(path)) => match std::fs::read_to_string(&path) {
                Ok(secret) => Ok(Some(Zeroizing::new(secret).trim_end().to_owned().into())),
                Err(cause) => Err(self.wrong(file, &format!("a file we can read ({cause})"))),
            },
            (None, None) => Ok(None),
        }
    }

    /// The complaint about a key that was taken.
    pub(super) fn wrong(&self, key: &str, rule: &str) -> ConfigError {
        let value =
            self.seen.iter().find(|(seen, _)| *seen == key).map_or_else(String::new, |(_, value)| value.clone());
        ConfigError::Wrong {
            key: self.name(key),
            value: if SECRET.contains(&key) { "the value".to_owned() } else { value },
            rule: rule.to_owned(),
        }
    }

    fn take(&mut self, key: &'static str) -> Option<Value> {
        #[cfg(test)]
        ASKED.with_borrow_mut(|asked| asked.insert((self.path.clone(), key.to_owned())));
        let file = self.table.remove(key);
        let value = self.variables.remove(key).map(Value::String).or(file)?;
        self.seen.push((key, value.to_string()));
        Some(value)
    }

    fn name(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

/// Where and why a text is no TOML, on one line. The line itself is not shown: it may hold a secret.
pub(crate) fn complaint(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    format!("line {}: {}", before.matches('\n').count() + 1, error.message().replace('\n', ", "))
}

fn variable(name: &str) -> String {
    name.to_ascii_uppercase().replace(['-', '.'], "_")
}

/// Keys whose values no complaint repeats.
const SECRET: [&str; 3] = ["client_secret", "kek", "pkcs11_pin"];
#[cfg(test)]
thread_local! {
    static ASKED: std::cell::RefCell<std::collections::BTreeSet<(String, String)>> = const {
        std::cell::RefCell::new(std::collections::BTreeSet::new())
    };
}

/// The sections and keys that `read` asks for.
#[cfg(test)]
pub(super) fn asked(read: impl FnOnce()) -> std::collections::BTreeSet<(String, String)> {
    ASKED.take();
    read();
    ASKED.take()
}

const PREFIX: &str = "LATCHWORK_";
