//! `latchwork policy check`: whether policies can be used, and whether they decide what the cases beside them say.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::Failure;
use crate::config::Config;
use crate::core::cases;
use crate::core::cedar::Cedar;

/// Check policies before a server uses them
#[derive(Args)]
pub(super) struct Policy {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Check the policies against their schema, and run the cases beside them
    Check {
        /// The server's directory, or one with a schema and policies
        #[arg(long, default_value = ".")]
        dir: PathBuf,
    },
}

impl Policy {
    pub(super) fn run(self) -> Result<(), Failure> {
        let Verb::Check { dir } = self.verb;
        let dir = if dir.join(SCHEMA).is_file() { dir } else { Config::load(&dir)?.policy_dir };
        let policy = load(&dir)?;
        let mut failures = 0;
        let files = files(&dir.join("cases"), "toml").unwrap_or_default();
        for file in &files {
            let failed = cases::run(&policy, &read(file)?)
                .map_err(|cause| Failure::setting("policy.dir", format!("{}: {cause}", file.display())))?;
            for failure in &failed {
                super::say_line(&format!("{}: {failure}", file.display()))?;
            }
            failures += failed.len();
        }
        match failures {
            0 => super::say_line(&format!(
                "{}: the policies are in order, and so are {} files of cases",
                dir.display(),
                files.len()
            )),
            _ => Err(Failure::Other(format!("{failures} cases are decided otherwise").into())),
        }
    }
}

/// The schema and every `*.cedar` beside it, in the order of their names.
pub(super) fn load(dir: &Path) -> Result<Cedar, Failure> {
    let schema = read(&dir.join(SCHEMA))?;
    let mut texts = Vec::new();
    for file in files(dir, "cedar")? {
        texts.push((file.display().to_string(), read(&file)?));
    }
    let texts: Vec<_> = texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    Cedar::from_sources(&schema, &texts).map_err(|cause| Failure::setting("policy.dir", cause))
}

fn files(dir: &Path, extension: &str) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(|cause| unreadable(dir, &cause))? {
        let file = entry.map_err(|cause| unreadable(dir, &cause))?.path();
        if file.extension().is_some_and(|its| its == extension) {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

fn read(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(|cause| unreadable(file, &cause))
}

fn unreadable(file: &Path, cause: &std::io::Error) -> Failure {
    Failure::setting("policy.dir", format!("{}: {cause}", file.display()))
}

const SCHEMA: &str = "latchwork.cedarschema";
