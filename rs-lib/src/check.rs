//! The switch behind `tests/conformance/disabled-checks`.

/// Returns `$refusal` unless `$holds`, which is evaluated in any case.
///
/// Only a build with `--cfg latchwork_disable="NAME"` leaves one such check out, and only the test that turns each off
/// in turn makes such a build; no Cargo feature reaches it. `tests/checks.txt` lists the names.
macro_rules! refuse_unless {
    ($name:tt, $holds:expr, $refusal:expr) => {
        if !$holds && !cfg!(latchwork_disable = $name) {
            return Err($refusal);
        }
    };
}

pub(crate) use refuse_unless;
