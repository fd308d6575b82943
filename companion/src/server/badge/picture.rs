//! The badge as a picture: a sign and a word. Signs differ in shape, not in colour alone.

/// Words of a class by language: English, German, Spanish, French, Italian.
const WORDS: [(&str, [&str; 5]); 8] = [
    (
        "available",
        [
            "Available",
            "Verfügbar",
            "Disponible",
            "Disponible",
            "Disponibile",
        ],
    ),
    (
        "available_idle",
        ["Inactive", "Inaktiv", "Inactivo", "Inactif", "Inattivo"],
    ),
    (
        "busy",
        ["Busy", "Beschäftigt", "Ocupado", "Occupé", "Occupato"],
    ),
    (
        "busy_idle",
        [
            "Busy, inactive",
            "Beschäftigt, inaktiv",
            "Ocupado, inactivo",
            "Occupé, inactif",
            "Occupato, inattivo",
        ],
    ),
    (
        "do_not_disturb",
        [
            "Do not disturb",
            "Bitte nicht stören",
            "No molestar",
            "Ne pas déranger",
            "Non disturbare",
        ],
    ),
    ("away", ["Away", "Abwesend", "Ausente", "Absent", "Assente"]),
    (
        "offline",
        [
            "Offline",
            "Offline",
            "Desconectado",
            "Hors ligne",
            "Non in linea",
        ],
    ),
    (
        "unknown",
        [
            "Unknown",
            "Unbekannt",
            "Desconocido",
            "Inconnu",
            "Sconosciuto",
        ],
    ),
];

/// The word of a class; English where the language is another.
pub(super) fn word(class: &str, language: &str) -> &'static str {
    let column = match language.get(..2) {
        Some("de") => 1,
        Some("es") => 2,
        Some("fr") => 3,
        Some("it") => 4,
        _ => 0,
    };
    let row = WORDS.iter().find(|(name, _)| *name == class);
    let words = row.or(WORDS.last()).map(|(_, words)| words);
    words
        .and_then(|words| words.get(column))
        .copied()
        .unwrap_or("Unknown")
}

fn sign(class: &str) -> &'static str {
    match class {
        "available" => r##"<circle cx="10" cy="10" r="6" fill="#2e9e4f"/>"##,
        "available_idle" => {
            r##"<circle cx="10" cy="10" r="5.2" fill="#fff" stroke="#2e9e4f" stroke-width="1.6"/><path d="M10 4a6 6 0 0 0 0 12z" fill="#2e9e4f"/>"##
        }
        "busy" => r##"<circle cx="10" cy="10" r="6" fill="#c8322b"/>"##,
        "busy_idle" => {
            r##"<circle cx="10" cy="10" r="5.2" fill="#fff" stroke="#c8322b" stroke-width="1.6"/><path d="M10 4a6 6 0 0 0 0 12z" fill="#c8322b"/>"##
        }
        "do_not_disturb" => {
            r##"<circle cx="10" cy="10" r="6" fill="#c8322b"/><path d="M6.5 10h7" stroke="#fff" stroke-width="2"/>"##
        }
        "away" => {
            r##"<circle cx="10" cy="10" r="6" fill="#d99a00"/><path d="M10 6.5V10l2.5 2" stroke="#fff" stroke-width="1.5" fill="none"/>"##
        }
        "offline" => {
            r##"<circle cx="10" cy="10" r="5.2" fill="#fff" stroke="#7a7f87" stroke-width="1.6"/>"##
        }
        _ => {
            r##"<circle cx="10" cy="10" r="5.2" fill="#fff" stroke="#7a7f87" stroke-width="1.6" stroke-dasharray="2 2"/>"##
        }
    }
}

/// Text between tags and in attributes.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            letter if letter.is_control() => {}
            letter => safe.push(letter),
        }
    }
    safe
}

fn tenths(letter: char) -> u32 {
    match letter {
        'i' | 'j' | 'l' | 'I' | ' ' | ',' => 38,
        'f' | 'r' | 't' => 52,
        'm' | 'w' | 'M' | 'W' => 118,
        letter if letter.is_uppercase() => 92,
        _ => 78,
    }
}

/// 20 high, as wide as its word in an ordinary font.
pub(super) fn draw(class: &str, word: &str, name: &str) -> String {
    // Tenths of a unit in a wide ordinary font at 12; space is left, never lacking.
    let letters: u32 = word.chars().map(tenths).sum();
    let width = 31 + letters / 10;
    let (name, word, sign) = (escaped(name), escaped(word), sign(class));
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" viewBox="0 0 {width} 20" role="img" aria-label="{name}: {word}"><title>{name}: {word}</title><rect x=".5" y=".5" width="{}" height="19" rx="9.5" fill="#fff" stroke="#c9ccd1"/>{sign}<text x="21" y="14" font-family="system-ui,sans-serif" font-size="12" fill="#22252a">{word}</text></svg>"##,
        width - 1
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_text_whatever_it_holds() {
        let picture = draw("busy", word("busy", "en"), r#"<script>"'&"#);
        assert!(picture.contains("&lt;script&gt;&quot;&#39;&amp;: Busy"));
        assert!(!picture.contains("<script"));
    }

    #[test]
    fn each_class_has_a_sign_and_words_of_its_own() {
        let mut signs: Vec<_> = WORDS.iter().map(|(class, _)| sign(class)).collect();
        signs.sort_unstable();
        signs.dedup();
        assert_eq!(signs.len(), WORDS.len());
        assert_eq!(word("away", "de-AT"), "Abwesend");
        assert_eq!(word("away", "日本"), "Away");
        assert_eq!(word("else", "en"), "Unknown");
    }
}
