//! Stories: a long post as one line, which opens on a click.
//!
//! Pure text; it knows no store and no reader.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use unicode_segmentation::UnicodeSegmentation;

/// A post of more characters than this is shown as a story.
pub const STORY_CHARS: usize = 280;

/// The one line for a post of more than [`STORY_CHARS`] characters: without Markdown's marks, cut at a word, with an ellipsis, at most
/// [`STORY_CHARS`]. None for a shorter one.
#[must_use]
pub fn story(text: &str) -> Option<String> {
    text.chars().nth(STORY_CHARS)?;
    Some(cut(&plain(text)))
}

/// `markdown` as one line, without its marks. HTML stays: it is text, and shown as that.
#[must_use]
pub fn plain(markdown: &str) -> String {
    let mut line = String::new();
    for event in Parser::new_ext(
        markdown,
        Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TABLES,
    ) {
        match event {
            Event::Text(text) | Event::Code(text) | Event::Html(text) | Event::InlineHtml(text) => {
                line.push_str(&text);
            }
            Event::SoftBreak | Event::HardBreak | Event::Rule | Event::End(_) if ends(&event) => {
                line.push(' ');
            }
            Event::Start(Tag::Item) => line.push_str("· "),
            _ => {}
        }
    }
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether `event` parts words: marks inside a line do not.
fn ends(event: &Event<'_>) -> bool {
    !matches!(
        event,
        Event::End(
            TagEnd::Emphasis
                | TagEnd::Strong
                | TagEnd::Strikethrough
                | TagEnd::Link
                | TagEnd::Image
        )
    )
}

/// `line`, or its beginning of whole words and an ellipsis.
fn cut(line: &str) -> String {
    if line.chars().nth(STORY_CHARS).is_none() {
        return line.to_owned();
    }
    let mut chars = 0;
    let mut end = 0;
    let mut word = 0;
    for (at, piece) in line.grapheme_indices(true) {
        chars += piece.chars().count();
        if chars >= STORY_CHARS {
            break;
        }
        if piece.chars().all(char::is_whitespace) {
            word = at;
        }
        end = at + piece.len();
    }
    // A word that fills most of the line, or a script without spaces, is cut between characters.
    let end = if word > end / 2 { word } else { end };
    format!("{}…", line.get(..end).unwrap_or_default().trim_end())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn short_posts_are_no_stories() {
        assert_eq!(story("short"), None);
        assert_eq!(story(&"é".repeat(STORY_CHARS)), None);
        assert!(story(&"é".repeat(STORY_CHARS + 1)).is_some());
    }

    #[test]
    fn a_story_is_a_line_of_whole_words_without_marks() {
        let long = format!(
            "# Report\n\nSee **the `plan`** of [ours](http://x.example).\n\n- one\n- two\n\n{}",
            "word ".repeat(80)
        );
        let line = story(&long).unwrap();
        assert!(
            line.starts_with("Report See the plan of ours. · one · two word word"),
            "{line}"
        );
        assert!(line.ends_with("word…"), "{line}");
        assert!(line.chars().count() <= STORY_CHARS);
    }

    #[test]
    fn html_stays_the_text_that_it_is() {
        assert_eq!(plain("a <b onclick=x()>b</b>"), "a <b onclick=x()>b</b>");
        assert_eq!(plain("<script>x</script>\n\nend"), "<script>x</script> end");
    }

    #[test]
    fn a_line_without_spaces_is_cut_between_characters() {
        let family = "👨\u{200D}👩\u{200D}👧";
        let line = story(&family.repeat(100)).unwrap();
        assert_eq!(line.trim_end_matches('…'), family.repeat(55));
        assert!(story(&"東".repeat(400)).unwrap().chars().count() == STORY_CHARS);
    }

    proptest! {
        #[test]
        fn any_text_becomes_a_line(text in "(?s).{0,600}") {
            if let Some(line) = story(&text) {
                prop_assert!(line.chars().count() <= STORY_CHARS);
                prop_assert!(!line.contains('\n'));
            }
        }
    }
}
