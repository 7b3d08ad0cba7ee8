//! What a lock tells of its steps.

use std::time::Duration;

use latchwork_building::board::instructions_per_tick;
use latchwork_building::{Lock, Outcome};

use crate::Figures;

/// The steps of one lock, as it tells them.
pub(crate) struct Steps<'l> {
    lock: &'l Lock,
    seen: usize,
    named: Vec<(String, Step)>,
    held: u64,
}

struct Step {
    ticks: u64,
    stack: u64,
}

impl<'l> Steps<'l> {
    /// Of those that it is yet to do.
    pub(crate) fn of(lock: &'l Lock) -> Outcome<Self> {
        Ok(Self { lock, seen: told(lock)?.len(), named: Vec::new(), held: 0 })
    }

    /// With its start, of which it told before it was ready. Those of its place that were there before it told on the same console.
    pub(crate) fn since_boot(lock: &'l Lock) -> Outcome<Self> {
        let started = told(lock)?.iter().rposition(|line| line.starts_with("did start "));
        Ok(Self { lock, seen: started.ok_or("a lock that does not tell of its start")?, named: Vec::new(), held: 0 })
    }

    /// Names the steps since the last call.
    pub(crate) fn are(&mut self, names: &[&str]) -> Outcome<()> {
        // It answers first and tells then.
        let expected = self.seen + names.len();
        let mut all = told(self.lock)?;
        for _ in 0..POLLS {
            if all.len() >= expected {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
            all = told(self.lock)?;
        }
        let new = all.get(self.seen..).unwrap_or_default();
        if new.len() != names.len() {
            return Err(format!("{names:?} were to be these steps: {new:?}").into());
        }
        for (line, name) in new.iter().zip(names) {
            let number = |label| {
                let mut words = line.split(' ').skip_while(|word| *word != label).skip(1);
                words.next().and_then(|number| number.parse::<u64>().ok()).ok_or("a step without its cost")
            };
            let step = Step { ticks: number("ticks")?, stack: number("stack")? };
            self.named.push(((*name).to_owned(), step));
            self.held = number("held")?;
        }
        self.seen = all.len();
        Ok(())
    }

    /// Under the name of the image.
    pub(crate) fn tell(self, variant: &str, figures: &mut Figures) {
        figures.insert(format!("{variant}: RAM held for good, bytes"), self.held);
        for (name, Step { ticks, stack }) in self.named {
            figures.insert(format!("{variant}: {name}, instructions"), ticks * instructions_per_tick(variant));
            figures.insert(format!("{variant}: {name}, bytes of stack"), stack);
        }
    }
}

/// Of 10 ms each; a busy machine may take them.
const POLLS: usize = 12_000;

/// The answer to a repetition is no step: on a busy machine a phone repeats itself.
fn told(lock: &Lock) -> Outcome<Vec<String>> {
    Ok(lock.costs()?.into_iter().filter(|line| !line.starts_with("did repeated ")).collect())
}
