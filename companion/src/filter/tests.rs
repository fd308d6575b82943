#![expect(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;

use super::*;

fn words(id: &str, words: &[&str]) -> Filter {
    Filter {
        id: id.into(),
        owner: "me".into(),
        words: words.iter().map(|word| (*word).to_owned()).collect(),
        ..Filter::default()
    }
}

fn catches(filters: &[Filter], sender: &str, conversation: &str, text: &str) -> Vec<String> {
    let filters = Filters::compile(filters.to_vec()).unwrap();
    let post = Post {
        conversation,
        sender,
        text,
    };
    filters
        .caught(post)
        .iter()
        .map(|filter| filter.id.clone())
        .collect()
}

#[test]
fn a_keyword_is_whole_words_without_case_and_accents() {
    let filter = [words("f", &["budget", "Große Pläne", "京都"])];
    for (text, caught) in [
        ("The BUDGET.", true),
        ("budgets", false),
        ("grosse  plane!", true),
        ("große neue Pläne", false),
        ("東京都庁", true),
        ("", false),
    ] {
        assert_eq!(
            !catches(&filter, "you", "r", text).is_empty(),
            caught,
            "{text}"
        );
    }
}

#[test]
fn all_that_a_filter_says_must_hold() {
    let author = Filter {
        author: Some("you".into()),
        ..words("author", &[])
    };
    let both = Filter {
        author: Some("you".into()),
        ..words("both", &["plan"])
    };
    let room = Filter {
        rooms: vec!["r".into()],
        ..words("room", &[])
    };
    let there = Filter {
        rooms: vec!["r".into()],
        ..words("there", &["plan"])
    };
    let nothing = words("nothing", &[]);
    let all = [author, both, room, there, nothing];
    for (sender, conversation, text, caught) in [
        ("you", "r", "plan", vec!["author", "both", "room", "there"]),
        ("you", "s", "plan", vec!["author", "both"]),
        ("she", "r", "plan", vec!["room", "there"]),
        ("she", "s", "plan", vec![]),
        ("you", "r", "none", vec!["author", "room"]),
        ("me", "r", "plan", vec![]),
    ] {
        assert_eq!(
            catches(&all, sender, conversation, text),
            caught,
            "{sender} {conversation} {text}"
        );
    }
}

#[test]
fn the_ego_filter_knows_the_ways_of_a_name() {
    for (name, login, text, caught) in [
        ("Ada Lovelace", "ada42", "Ask ADA.", true),
        ("Ada Lovelace", "ada42", "Dr. Lovelace said", true),
        ("Ada Lovelace", "ada42", "A. Lovelace", true),
        ("Ada Lovelace", "ada42", "Lovelace, Ada", true),
        ("Ada Lovelace", "ada42", "see @ada42", true),
        ("Ada Lovelace", "ada42", "Adam, Lovelacey, ada43", false),
        ("René Müller", "rm", "rene was here", true),
        ("René Müller", "rm", "MULLER?", true),
        ("J Li", "jli", "j and more", false),
        ("J Li", "jli", "J. Li", true),
        ("田中 太郎", "tanaka", "明日は田中さんが", true),
        ("李 明", "li", "李先生", false),
        ("李 明", "li", "请李明来", true),
        ("Мария Петрова", "mp", "МАРИЯ!", true),
        ("Ana María del Valle", "anam", "del", false),
        ("", "root", "root", true),
    ] {
        let own = ego(name, login);
        let own: Vec<&str> = own.iter().map(String::as_str).collect();
        assert_eq!(
            !catches(&[words("ego", &own)], "you", "r", text).is_empty(),
            caught,
            "{name}: {text}"
        );
    }
}

#[test]
fn each_filter_is_caught_once_among_ten_thousand() {
    let mut all: Vec<Filter> = (0..10_000)
        .map(|n| words(&n.to_string(), &[&format!("word{n}"), "common"]))
        .collect();
    all.iter_mut()
        .for_each(|filter| filter.rooms = vec!["r".into()]);
    let filters = Filters::compile(all).unwrap();
    let caught = |text| {
        filters
            .caught(Post {
                conversation: "r",
                sender: "you",
                text,
            })
            .len()
    };
    assert_eq!(caught("word7 and word7 and word9999"), 2);
    assert_eq!(caught("common common"), 10_000);
    assert_eq!(caught(&"nothing of it ".repeat(2000)), 0);
}

proptest! {
    #[test]
    fn a_filter_catches_its_own_words_wherever_they_stand(word in "[a-zà-öø-ÿ東京ก-ฎ]{1,12}", before in "[a-z ]{0,20}", behind in "[a-z ]{0,20}") {
        let text = format!("{before} {word}! {behind}");
        prop_assert_eq!(catches(&[words("f", &[&word])], "you", "r", &text).len(), 1);
    }

    #[test]
    fn any_words_compile(all in proptest::collection::vec(".{0,20}", 0..20), text in ".{0,80}") {
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let own = ego(&text, &text);
        let filters = Filters::compile(vec![words("f", &all), Filter { words: own, ..words("e", &[]) }]).unwrap();
        let caught = filters.caught(Post { conversation: "r", sender: "you", text: &text }).len();
        prop_assert!(caught <= 2);
    }
}
