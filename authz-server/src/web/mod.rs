//! Pages for people, rendered here and served by the shell. No script: the one page that waits reloads itself.

use askama::Template;

use crate::core::scope::Scope;
use crate::core::time::Timestamp;

/// The style sheet of every page.
pub const STYLE: &str = include_str!("style.css");

/// App consent (RFC 8252 §8.6): the person who signed in says whether this app may act for them.
#[derive(Template)]
#[template(path = "consent.html")]
pub struct Consent<'a> {
    /// Who signed in.
    pub person: &'a str,
    /// What the administrator calls the app.
    pub app: &'a str,
    /// Its client id.
    pub client: &'a str,
    /// The redirect target.
    pub target: &'a str,
    /// The address of the device that asks, if one does; then there is no target.
    pub device: Option<&'a str>,
    /// What it asks for.
    pub doors: Vec<Asked>,
    /// For how long.
    pub duration: String,
    /// Where the form goes.
    pub action: &'a str,
    /// Proves that the form came from this page.
    pub csrf: &'a str,
}

/// One door on the consent page.
pub struct Asked {
    /// What people call it.
    pub title: String,
    /// What the app may do there.
    pub may: String,
    /// Whether its owner will be asked.
    pub asks_owner: bool,
}

/// A person types the code that a device shows (RFC 8628 §3.3).
#[derive(Template)]
#[template(path = "device.html")]
pub struct DeviceCode<'a> {
    /// Who signed in.
    pub person: &'a str,
    /// The code that came along; the person still has to look at it (§5.4).
    pub code: &'a str,
    /// What was wrong with the last one.
    pub wrong: Option<&'a str>,
    /// Proves that the form came from this page.
    pub csrf: &'a str,
}

/// The asker waits for owners.
#[derive(Template)]
#[template(path = "waiting.html")]
pub struct Waiting<'a> {
    /// Who waits.
    pub person: &'a str,
    /// Which app goes on afterwards.
    pub app: &'a str,
    /// The doors asked about.
    pub doors: Vec<Awaited>,
    /// Until when an answer counts.
    pub until: String,
    /// Where the form goes that gives up.
    pub action: &'a str,
    /// Proves that the form came from this page.
    pub csrf: &'a str,
}

/// One door on the waiting page.
pub struct Awaited {
    /// What people call it.
    pub title: String,
    /// What was asked.
    pub may: String,
    /// How it stands, in words.
    pub state: &'static str,
    /// How it stands, for the style sheet.
    pub class: &'static str,
}

/// An owner's page.
#[derive(Template)]
#[template(path = "approvals.html")]
pub struct Approvals<'a> {
    /// Who signed in.
    pub person: &'a str,
    /// The same person as the administrator must write them.
    pub person_id: &'a str,
    /// Titles of the doors they own.
    pub owned: Vec<String>,
    /// What is asked of them.
    pub requests: Vec<Question>,
    /// Proves that a form came from this page.
    pub csrf: &'a str,
}

/// One question on the owner's page.
pub struct Question {
    /// Its name.
    pub id: String,
    /// Which door.
    pub door: String,
    /// Who asks.
    pub asker: String,
    /// The same, unmistakably.
    pub asker_id: String,
    /// By which app.
    pub app: App,
    /// For what.
    pub may: String,
    /// Until when.
    pub until: String,
}

/// An app, unmistakably.
pub struct App {
    /// What it is called.
    pub title: String,
    /// Its client id; no other app has it.
    pub id: String,
    /// Whether it registered itself, and chose its title.
    pub itself: bool,
}

/// A person's apps.
#[derive(Template)]
#[template(path = "apps.html")]
pub struct Apps<'a> {
    /// Who signed in.
    pub person: &'a str,
    /// Which apps act for them.
    pub apps: Vec<OwnApp>,
    /// Proves that a form came from this page.
    pub csrf: &'a str,
}

/// One app on a person's page.
pub struct OwnApp {
    /// The grant's name.
    pub id: String,
    /// Which app.
    pub app: App,
    /// What people call the doors that it may ask for.
    pub doors: Vec<String>,
    /// Since when.
    pub since: String,
    /// Until when, if nobody ends it.
    pub until: String,
    /// Its installation's key, by its thumbprint.
    pub device: Option<String>,
}

/// Several providers to choose from.
#[derive(Template)]
#[template(path = "providers.html")]
pub struct Providers {
    /// The choices.
    pub providers: Vec<Choice>,
}

/// One provider on the choosing page.
pub struct Choice {
    /// Its configured name.
    pub name: String,
    /// The same request with the choice added.
    pub href: String,
}

/// Something happened that needs words: an error, a refusal, an end.
#[derive(Template, Default)]
#[template(path = "message.html")]
pub struct Message<'a> {
    /// In a few words.
    pub title: &'a str,
    /// What happened.
    pub what: &'a str,
    /// What to do now.
    pub advice: Option<&'a str>,
    /// Where to go now, and what the button says.
    pub link: Option<(&'a str, &'a str)>,
    /// What the log calls it.
    pub reference: Option<&'a str>,
}

/// What a scope lets one do, for people.
#[must_use]
pub fn may(scope: &Scope) -> String {
    let words: Vec<&str> = scope
        .iter()
        .map(|word| match word.as_str() {
            "door:open" => "open it",
            "door:state" => "see whether it is locked",
            other => other,
        })
        .collect();
    match words.split_last() {
        None => "everything it offers".to_owned(),
        Some((only, [])) => (*only).to_owned(),
        Some((last, before)) => format!("{} and {last}", before.join(", ")),
    }
}

/// A span of time in the largest unit that says it, rounded down.
#[must_use]
pub fn span(seconds: i64) -> String {
    let (count, unit) = match seconds {
        172_800.. => (seconds / 86_400, "day"),
        7_200.. => (seconds / 3_600, "hour"),
        120.. => (seconds / 60, "minute"),
        _ => (seconds.max(0), "second"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// A point in time as people write it, in UTC: the server does not know where its reader is.
#[must_use]
pub fn date(at: Timestamp) -> String {
    let (days, second) = (at.0.div_euclid(86_400), at.0.rem_euclid(86_400));
    // Days to a date of the Gregorian calendar, counting years from March (Hinnant, "chrono-compatible low-level date algorithms").
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let of_era = z.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let name = usize::try_from(month - 1).ok().and_then(|at| MONTHS.get(at)).copied().unwrap_or_default();
    format!("{day} {name} {year}, {:02}:{:02} UTC", second / 3_600, second % 3_600 / 60)
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_spans_as_people_write_them() {
        for (at, text) in [
            (0, "1 January 1970, 00:00 UTC"),
            (951_827_696, "29 February 2000, 12:34 UTC"),
            (1_795_521_600, "24 November 2026, 12:00 UTC"),
            (4_107_542_399, "28 February 2100, 23:59 UTC"),
        ] {
            assert_eq!(date(Timestamp(at)), text);
        }
        for (seconds, text) in
            [(-5, "0 seconds"), (1, "1 second"), (120, "2 minutes"), (43_200, "12 hours"), (7_776_000, "90 days")]
        {
            assert_eq!(span(seconds), text);
        }
    }

    /// R6749-10.14-01
    #[test]
    fn what_people_type_stays_text() {
        let page = Message { title: "<script>alert(1)</script>", what: "\" onload=\"x", ..Message::default() }
            .render()
            .unwrap();
        assert!(!page.contains("<script>"), "{page}");
        assert!(!page.contains("\" onload"), "{page}");
    }

    #[test]
    fn scopes_in_words() {
        for (scope, text) in [
            ("", "everything it offers"),
            ("door:open", "open it"),
            ("door:open door:state", "open it and see whether it is locked"),
            ("a b c", "a, b and c"),
        ] {
            assert_eq!(may(&Scope::try_from(scope.to_owned()).unwrap()), text);
        }
    }
}
