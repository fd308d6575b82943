//! The numbers that are called: what each says of its callers, with its greeting read once.

use std::collections::HashMap;
use std::sync::Arc;

use plenum_dialin::attendant::{ConferenceNumber, Language, Reception};

use crate::config::SipSection;
use crate::prompts::{self, PromptError};

/// One number.
#[derive(Debug, Default)]
pub(super) struct Number {
    pub(super) reception: Reception,
    /// Heard instead of "welcome", 48 kHz mono.
    pub(super) greeting: Option<Arc<[i16]>>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Numbers {
    by_digits: HashMap<String, Arc<Number>>,
    others: Arc<Number>,
}

impl Numbers {
    /// Reads the greetings.
    pub(crate) fn load(section: &SipSection) -> Result<Self, PromptError> {
        let mut by_digits = HashMap::new();
        for number in &section.numbers {
            let greeting = number.greeting.as_deref().map(prompts::read).transpose()?;
            let conference = (number.conference.as_deref()).and_then(ConferenceNumber::parse);
            let reception = Reception {
                languages: number.languages.clone(),
                conference,
            };
            let known = Number {
                reception,
                greeting,
            };
            by_digits.insert(digits(&number.number), Arc::new(known));
        }
        let others = Number {
            reception: Reception {
                languages: section.languages.clone(),
                conference: None,
            },
            greeting: None,
        };
        Ok(Self {
            by_digits,
            others: Arc::new(others),
        })
    }

    /// The number that was called: `+49 30 123`, `004930123` is another.
    pub(super) fn of(&self, called: &str) -> Arc<Number> {
        let known = self.by_digits.get(&digits(called));
        Arc::clone(known.unwrap_or(&self.others))
    }
}

impl Number {
    /// The language until one is chosen.
    pub(super) fn language(&self) -> Language {
        self.reception
            .languages
            .first()
            .copied()
            .unwrap_or_default()
    }
}

/// What identifies a number: its digits. Parameters after `;` are none of it.
fn digits(number: &str) -> String {
    let number = number.split(';').next().unwrap_or_default();
    number.chars().filter(char::is_ascii_digit).collect()
}
