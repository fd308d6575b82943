#![expect(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Query {
    Query::parse(text).unwrap()
}

#[test]
fn the_language_becomes_what_each_engine_reads() {
    for (text, fts5, tsquery) in [
        ("budget", r#""budget" *"#, "('budget':*)"),
        (
            "Budget Plan",
            r#""budget" * AND "plan" *"#,
            "('budget':*) & ('plan':*)",
        ),
        (
            r#""Budget Plan""#,
            r#""budget plan""#,
            "('budget' <-> 'plan')",
        ),
        (
            "a@b.example",
            r#""a b example" *"#,
            "('a' <-> 'b' <-> 'example':*)",
        ),
        ("京", r#""京" *"#, "('京':*)"),
        ("京都", r#""京都""#, "('京都')"),
        ("東京都", r#""東京 京都""#, "('東京' <-> '京都')"),
        (
            "手机app",
            r#""手机 机 app" *"#,
            "('手机' <-> '机' <-> 'app':*)",
        ),
        ("„Grüße“", r#""grusse""#, "('grusse')"),
        (
            r#""never ended"#,
            r#""never ended""#,
            "('never' <-> 'ended')",
        ),
        (
            "from:ada x' OR 1=1;--",
            r#""x" AND "or" AND "1 1""#,
            "('x') & ('or') & ('1' <-> '1')",
        ),
    ] {
        let query = parse(text);
        assert_eq!(query.fts5().as_deref(), Some(fts5), "{text}");
        assert_eq!(query.tsquery().as_deref(), Some(tsquery), "{text}");
    }
}

#[test]
fn conditions_and_exclusions_stand_beside_the_words() {
    let query = parse(
        r#"plan -draft -"old one" from:"Ada Lovelace" FROM:bob in:press before:2026-02-01 after:2026-01-30"#,
    );
    assert_eq!(query.fts5_without().unwrap(), r#""draft" OR "old one""#);
    assert_eq!(
        query.tsquery_without().unwrap(),
        "('draft') | ('old' <-> 'one')"
    );
    assert_eq!(query.from, ["Ada Lovelace", "bob"]);
    assert_eq!(query.within, ["press"]);
    // 2026-02-01 and 2026-01-31, both at 00:00 UTC: what is left is one day.
    assert_eq!(query.before, Some(1_769_904_000_000));
    assert_eq!(query.after, Some(1_769_817_600_000));
}

#[test]
fn what_cannot_be_meant_is_refused_with_what_was_expected() {
    for (text, fault) in [
        ("", Fault::Empty),
        (" \t !? - \"\"", Fault::Empty),
        ("before:tomorrow", Fault::Date("before:")),
        ("after:2026-02-30", Fault::Date("after:")),
        ("after:", Fault::Date("after:")),
        ("from:", Fault::Name("from:")),
        ("in:\"  \"", Fault::Name("in:")),
        ("-from:ada", Fault::Excluded("from:")),
        (&"a ".repeat(QUERY_TERMS + 1), Fault::TooLong),
        (&"a".repeat(QUERY_CHARS + 1), Fault::TooLong),
    ] {
        assert_eq!(Query::parse(text), Err(fault), "{text}");
    }
}

#[test]
fn words_are_found_in_any_script_and_not_where_they_are_not() {
    for (query, text, found) in [
        ("confer", "The conference begins", true),
        ("\"confer\"", "The conference begins", false),
        ("ference", "The conference begins", false),
        ("grosse", "Große Pläne", true),
        ("plane große", "Große Pläne", true),
        ("\"pläne große\"", "Große Pläne", false),
        ("京都", "東京都庁", true),
        ("庁", "東京都庁", true),
        ("東", "東京都庁", true),
        ("東都", "東京都庁", false),
        ("เชียง", "ไปเชียงใหม่", true),
        ("привет", "ПРИВЕТ, мир", true),
        ("مرحبا", "مَرْحَبًا بالعالم", true),
        ("नमस्ते", "सबको नमस्ते", true),
        ("plan -draft", "the plan, a draft", false),
        ("plan -draft", "the plan", true),
    ] {
        assert_eq!(parse(query).finds(text), found, "{query} in {text}");
    }
}

#[test]
fn a_snippet_is_one_line_around_the_hit() {
    let text = format!(
        "{} the Pläne were\nmade {}",
        "before ".repeat(40),
        "behind ".repeat(40)
    );
    let snippet = parse("plane").snippet(&text);
    assert!(snippet.contains("the Pläne were made behind"), "{snippet}");
    assert!(
        snippet.starts_with("…before") && snippet.ends_with('…'),
        "{snippet}"
    );
    assert!(snippet.chars().count() <= SNIPPET_CHARS + 2, "{snippet}");
    assert_eq!(parse("none").snippet("short\n text"), "short text");
}

proptest! {
    #[test]
    fn whatever_is_typed_the_engines_get_words_and_their_own_marks(text in ".{0,120}") {
        if let Ok(query) = Query::parse(&text) {
            for made in [query.fts5(), query.fts5_without()].into_iter().flatten() {
                prop_assert!(made.chars().all(|c| c.is_alphanumeric() || !c.is_ascii() || "\" *ANDOR".contains(c)), "{}", made);
                prop_assert_eq!(made.matches('"').count() % 2, 0);
            }
            for made in [query.tsquery(), query.tsquery_without()].into_iter().flatten() {
                prop_assert!(made.chars().all(|c| c.is_alphanumeric() || !c.is_ascii() || "'()&|:*<-> ".contains(c)), "{}", made);
            }
        }
    }

    #[test]
    fn a_text_is_found_by_each_of_its_words(text in "[a-zß-ž東京都庁ก-ฎ ]{1,60}") {
        for word in text.split_whitespace() {
            let Ok(query) = Query::parse(word) else { continue };
            prop_assert!(query.finds(&text), "{} in {}", word, text);
        }
    }

    #[test]
    fn a_snippet_of_anything_is_short(text in ".{0,400}", query in "[a-z]{1,3}") {
        let snippet = parse(&query).snippet(&text);
        prop_assert!(snippet.chars().count() <= SNIPPET_CHARS + 2);
        prop_assert!(!snippet.contains('\n'));
    }
}
