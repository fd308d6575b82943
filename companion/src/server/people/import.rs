//! Users from CSV (RFC 4180): all of them, or none and every fault with its line.

use std::collections::HashMap;

use super::{NewUser, People, PeopleError, Role, User, check};

/// Faults that are told at most.
const TOLD: usize = 100;
/// Users in one file.
const MOST: usize = 20_000;
/// Columns that a file may have.
const COLUMNS: [&str; 10] = [
    "login",
    "name",
    "password",
    "title",
    "company",
    "email",
    "work_phone",
    "mobile",
    "home_phone",
    "role",
];

/// A user of the file, and the password if one is given.
type Row = (User, Option<String>);

/// Reads the whole file.
///
/// # Errors
/// Every fault, each with its line.
fn parse(bytes: &[u8]) -> Result<Vec<Row>, Vec<String>> {
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes));
    let headers = match reader.headers() {
        Ok(headers) => headers.clone(),
        Err(error) => return Err(vec![format!("line 1: {error}")]),
    };
    let mut faults: Vec<String> = headers
        .iter()
        .filter(|name| !COLUMNS.contains(name))
        .map(|name| format!("line 1: no such column: {name:?}"))
        .collect();
    for needed in ["login", "name"] {
        if headers.iter().all(|name| name != needed) {
            faults.push(format!("line 1: the column {needed} is missing"));
        }
    }
    let mut rows = Vec::new();
    let mut lines: HashMap<String, u64> = HashMap::new();
    for record in reader.records() {
        if rows.len() + faults.len() > MOST {
            faults.push(format!("more than {MOST} users"));
            break;
        }
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                faults.push(error.to_string());
                continue;
            }
        };
        let line = record.position().map_or(0, csv::Position::line);
        if record.len() != headers.len() {
            faults.push(format!(
                "line {line}: {} fields where there are {} columns",
                record.len(),
                headers.len()
            ));
            continue;
        }
        match row(&headers, &record) {
            Ok((user, password)) => {
                if let Some(first) = lines.insert(user.login.clone(), line) {
                    faults.push(format!(
                        "line {line}: login {} is on line {first}, too",
                        user.login
                    ));
                }
                rows.push((user, password));
            }
            Err(why) => faults.push(format!("line {line}: {why}")),
        }
    }
    if faults.is_empty() {
        Ok(rows)
    } else {
        Err(faults)
    }
}

fn row(headers: &csv::StringRecord, record: &csv::StringRecord) -> Result<Row, String> {
    let field = |name: &str| {
        let at = headers.iter().position(|column| column == name)?;
        record
            .get(at)
            .filter(|value| !value.is_empty())
            .map(str::to_owned)
    };
    let role = match field("role").as_deref() {
        None | Some("user") => Role::User,
        Some("admin") => Role::Admin,
        Some(_) => return Err("the role is user or admin".to_owned()),
    };
    check(NewUser {
        login: field("login").unwrap_or_default(),
        name: field("name").unwrap_or_default(),
        password: field("password"),
        title: field("title"),
        company: field("company"),
        email: field("email"),
        work_phone: field("work_phone"),
        mobile: field("mobile"),
        home_phone: field("home_phone"),
        role: Some(role),
    })
}

impl People {
    /// Adds all users of a CSV file, or none; gives their number. Whoever has no password gets one by an administrator.
    ///
    /// # Errors
    /// All faults, each with its line; or what the database says.
    pub async fn import(&self, bytes: &[u8]) -> Result<usize, PeopleError> {
        let told = |mut faults: Vec<String>| {
            let more = faults.len().saturating_sub(TOLD);
            faults.truncate(TOLD);
            if more > 0 {
                faults.push(format!("and {more} more faults"));
            }
            PeopleError::Invalid(faults.join("\n"))
        };
        let rows = parse(bytes).map_err(told)?;
        let mut taken = Vec::new();
        for (user, _) in &rows {
            if self.find_login(&user.login).await?.is_some() {
                taken.push(format!("login {} exists already", user.login));
            }
        }
        if !taken.is_empty() {
            return Err(told(taken));
        }
        let count = rows.len();
        let mut hashed = Vec::with_capacity(count);
        for (user, password) in rows {
            let password = match password {
                Some(password) => Some(self.hash(password).await?),
                None => None,
            };
            hashed.push((user, password));
        }
        self.insert_all(hashed).await?;
        Ok(count)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_people_is_read() {
        let rows = parse(
            "\u{feff}login,name,title,password\nAnna,\"Müller, Anna\",,\nben,Ben,Chef,longenough\n"
                .as_bytes(),
        )
        .unwrap();
        assert_eq!(rows[0].0.login, "anna");
        assert_eq!(rows[0].0.name, "Müller, Anna");
        assert_eq!((&rows[0].0.title, &rows[0].1), (&None, &None));
        assert_eq!(rows[1].1.as_deref(), Some("longenough"));
    }

    #[test]
    fn every_fault_has_its_line() {
        let faults = parse(
            b"login,name,shoe,password\nanna,Anna,,short\n,Nobody,,\nben,Ben\ncarl,Carl,,\ncarl,Carl,,\n",
        )
        .unwrap_err()
        .join("\n");
        for expected in [
            "line 1: no such column: \"shoe\"",
            "line 2: a password has at least 8",
            "line 3: a login has",
            "line 4: 2 fields where there are 4 columns",
            "line 6: login carl is on line 5, too",
        ] {
            assert!(faults.contains(expected), "{expected}: {faults}");
        }
    }
}
