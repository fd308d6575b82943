//! Who calls and who is called, out of what a trunk says of it, written the same way whatever the trunk's habits are. Pure.

use crate::call::Caller;
use crate::sip::{Request, Who};

/// Most rules of a trunk.
pub const MAX_RULES: usize = 64;

/// Which header names the caller. Each falls back on the next one down, From at last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CallerFrom {
    /// The first Diversion (RFC 5806): who passed the call on.
    Diversion,
    /// P-Asserted-Identity (RFC 3325): whom the network knows it to be.
    #[default]
    Asserted,
    /// From: what the caller says.
    From,
}

/// Which header names who is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CalledFrom {
    /// The Request-URI.
    #[default]
    RequestUri,
    /// To.
    To,
    /// The last Diversion: who was called at first. Without one the Request-URI.
    Diversion,
}

/// What a number that begins so begins with instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Digits, perhaps after a `+`; empty: every number that is not international.
    pub prefix: String,
    /// Takes its place.
    pub replacement: String,
}

/// How a trunk names people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The caller.
    pub caller: CallerFrom,
    /// Who is called.
    pub called: CalledFrom,
    /// Rules for the caller's number; the longest prefix counts.
    pub caller_rules: Vec<Rule>,
    /// Rules for the called number.
    pub called_rules: Vec<Rule>,
}

impl Identity {
    /// The caller. One who wants to be anonymous has no name; the number of the network is kept to count attempts by.
    pub(crate) fn caller_of(&self, request: &Request) -> Caller {
        let asserted = || request.asserted();
        let who = match self.caller {
            CallerFrom::Diversion => request.diversions().into_iter().next().or_else(asserted),
            CallerFrom::Asserted => asserted(),
            CallerFrom::From => None,
        };
        let said = request.caller();
        let anonymous = request.wants_privacy() || is_anonymous(&said);
        let who = who.unwrap_or(said);
        Caller {
            display: if anonymous {
                String::new()
            } else {
                who.display
            },
            number: normalised(&who.user, &self.caller_rules),
            anonymous,
        }
    }

    /// Who is called.
    pub(crate) fn called_of(&self, request: &Request) -> String {
        let user = match self.called {
            CalledFrom::RequestUri => None,
            CalledFrom::To => request.called_by_to(),
            CalledFrom::Diversion => request.diversions().pop().map(|who| who.user),
        };
        normalised(
            &user.unwrap_or_else(|| request.called()),
            &self.called_rules,
        )
    }
}

/// RFC 3323 section 4.1, and what gateways make of it.
fn is_anonymous(who: &Who) -> bool {
    ["anonymous", "restricted", "unknown", "unavailable"]
        .iter()
        .any(|word| who.user.eq_ignore_ascii_case(word))
        || who.host.eq_ignore_ascii_case("anonymous.invalid")
}

/// A number without separators, rewritten by the rule with the longest prefix. What is no number stays as it is.
pub(crate) fn normalised(user: &str, rules: &[Rule]) -> String {
    // `;phone-context=` and the like belong to the number's scope, not to it (RFC 3966 section 5.1.5).
    let number = user.split(';').next().unwrap_or_default();
    let is_number = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | '(' | ')' | ' ');
    if !number.chars().all(is_number) || !number.contains(|c: char| c.is_ascii_digit()) {
        return user.to_owned();
    }
    let plain: String = number
        .chars()
        .enumerate()
        .filter(|(at, c)| c.is_ascii_digit() || (*at == 0 && *c == '+'))
        .map(|(_, c)| c)
        .collect();
    let international = plain.starts_with('+');
    let rule = rules
        .iter()
        .filter(|rule| plain.starts_with(&rule.prefix))
        .filter(|rule| !international || rule.prefix.starts_with('+'))
        .max_by_key(|rule| rule.prefix.len());
    match rule.and_then(|rule| Some((rule, plain.strip_prefix(&rule.prefix)?))) {
        Some((rule, rest)) => format!("{}{rest}", rule.replacement),
        None => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::{Rule, normalised};

    #[test]
    fn numbers_of_every_habit_become_e164() {
        let rules = [("00", "+"), ("0", "+49"), ("", "+4930"), ("+490", "+49")].map(
            |(prefix, replacement)| Rule {
                prefix: prefix.into(),
                replacement: replacement.into(),
            },
        );
        for (given, expected) in [
            ("+493012345", "+493012345"),
            ("+49 (30) 123-45", "+493012345"),
            ("0049 30 12345", "+493012345"),
            ("030/12345", "030/12345"),
            ("030.12345", "+493012345"),
            ("12345", "+493012345"),
            ("+4903012345", "+493012345"),
            ("+493012345;phone-context=example.com", "+493012345"),
            ("ann", "ann"),
            ("ann1", "ann1"),
            ("", ""),
            ("+", "+"),
        ] {
            assert_eq!(normalised(given, &rules), expected, "{given}");
        }
        assert_eq!(normalised("0123", &[]), "0123");
    }
}
