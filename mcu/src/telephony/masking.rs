//! How the far end of a call is named where people see it: numbers only in part.

/// The name of a caller: its display name if that is a name, else its number with the middle hidden.
pub(crate) fn shown(display: &str, number: &str) -> String {
    const MOST: usize = 40;
    let visible: String = display
        .chars()
        .filter(|c| !c.is_control())
        .take(MOST)
        .collect();
    let name = visible.trim();
    if name.chars().any(char::is_alphabetic) {
        return name.to_owned();
    }
    let is_number = |c: &char| c.is_ascii_digit() || *c == '+';
    let digits: Vec<char> = number.chars().filter(is_number).take(MOST).collect();
    if number.chars().any(char::is_alphabetic) {
        // A soft-phone's user name, not a number.
        return number
            .chars()
            .filter(|c| !c.is_control())
            .take(MOST)
            .collect();
    }
    match digits.len() {
        0 => "Phone".to_owned(),
        1..=4 => format!(
            "••{}",
            digits
                .iter()
                .skip(digits.len().saturating_sub(2))
                .collect::<String>()
        ),
        count => {
            let start: String = digits.iter().take((count - 4).min(5)).collect();
            let end: String = digits.iter().skip(count - 2).collect();
            format!("{start}•••{end}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn numbers_are_masked_and_names_are_not() {
        assert_eq!(shown("Ann\n", "+493012345678"), "Ann");
        assert_eq!(shown("", "+493012345678"), "+4930•••78");
        assert_eq!(shown("+493012345678", "+493012345678"), "+4930•••78");
        assert_eq!(shown("", "123456"), "12•••56");
        assert_eq!(shown("", "201"), "••01");
        assert_eq!(shown("", "baresip"), "baresip");
        assert_eq!(shown("", "anonymous"), "anonymous");
        assert_eq!(shown("", ""), "Phone");
    }
}
