use super::*;

fn directory() -> Directory {
    let entry = |user, name, login, profile: &[&str]| Entry::new(user, name, login, profile);
    Directory::new(vec![
        entry("4", "Zoë Müller", "zoe", &["Sales", "zoe@example.org"]),
        entry("1", "Ann Ångström-Lee", "ann", &["Engineer", "ACME"]),
        entry("2", "Søren Kierkegård", "s.kierke", &["Philosopher"]),
        entry("3", "山田 太郎", "yamada", &[]),
    ])
}

#[test]
fn people_are_found_by_beginnings_of_words_without_accents() {
    let all = directory();
    let table: &[(&str, &[&str])] = &[
        ("ann", &["1"]),
        ("ANG", &["1"]),
        ("lee ann", &["1"]),
        ("muller", &["4"]),
        ("MÜLL zo", &["4"]),
        ("soren", &["2"]),
        ("s.kierke", &["2"]),
        ("山田", &["3"]),
        ("nn", &[]),
        ("", &[]),
        ("%", &[]),
        ("engineer", &["1"]),
    ];
    for (query, expected) in table {
        assert_eq!(all.search(query, 20, |_| true), *expected, "{query}");
    }
}

#[test]
fn who_may_not_see_a_profile_does_not_find_by_it() {
    let all = directory();
    assert!(all.search("engineer", 20, |_| false).is_empty());
    assert_eq!(all.search("ann", 20, |_| false), ["1"]);
}

#[test]
fn hits_come_in_order_of_names_and_end_at_the_limit() {
    let crowd = (0..100).rev();
    let crowd =
        crowd.map(|number| Entry::new(&format!("{number}"), &format!("Kim {number:03}"), "k", &[]));
    let all = Directory::new(crowd.collect());
    let hits = all.search("kim", 1_000, |_| true);
    assert_eq!(hits.len(), MAX_HITS);
    assert_eq!(hits.first(), Some(&"0"));
    assert_eq!(all.search("kim", 3, |_| true), ["0", "1", "2"]);
}

#[test]
fn numbers_are_kept_as_digits() {
    assert_eq!(phone(" +49 (30) 123-456 ").as_deref(), Ok("+4930123456"));
    assert_eq!(phone("**9").as_deref(), Err(&ContactError::Phone));
    assert_eq!(phone("*97").as_deref(), Ok("*97"));
    for bad in [
        "",
        "+",
        "1",
        "0900-CALL",
        "1;phone=2",
        "123456789012345678901",
    ] {
        assert_eq!(phone(bad), Err(ContactError::Phone), "{bad}");
    }
}

#[test]
fn domains_are_those_of_addresses() {
    assert_eq!(domain_of("Ann@Example.ORG").as_deref(), Some("example.org"));
    assert_eq!(domain_of("ann"), None);
    assert_eq!(domain("@example.org").as_deref(), Ok("example.org"));
    for bad in ["", ".", "a..b", "a b", "a/b"] {
        assert_eq!(domain(bad), Err(ContactError::Domain), "{bad}");
    }
}

#[test]
fn a_contacts_own_level_counts_then_the_one_beside_then_the_strictest_group() {
    let given = |user, own, groups: &[Level]| Given {
        user,
        own,
        groups: groups.to_vec(),
    };
    let contacts = [
        given("own", Some(Level::Personal), &[Level::Blocked]),
        given(
            "groups",
            None,
            &[Level::Personal, Level::Public, Level::Team],
        ),
        given("beside", None, &[Level::Personal]),
        given("none", None, &[]),
    ];
    let beside = [
        ("beside".to_owned(), Level::Team),
        ("other".to_owned(), Level::Blocked),
    ];
    let rules = rules(&contacts, beside.into(), HashMap::new());
    let expected = [
        ("beside", Level::Team),
        ("groups", Level::Public),
        ("other", Level::Blocked),
        ("own", Level::Personal),
    ];
    let expected = expected.map(|(user, level)| (user.to_owned(), level));
    assert_eq!(rules.users, expected.into());
}
