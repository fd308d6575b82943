//! The server's `/metrics` as numbers.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};

/// All samples of one scrape: `name{labels}` → value, in the text's own spelling.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scrape(BTreeMap<String, f64>);

impl Scrape {
    /// Asks `http://{address}/metrics`.
    ///
    /// # Errors
    /// When the server does not answer 200 with the text format.
    pub fn of(address: &str) -> Result<Self> {
        let text = ureq::get(format!("http://{address}/metrics"))
            .call()
            .with_context(|| format!("GET http://{address}/metrics"))?
            .body_mut()
            .read_to_string()
            .context("the body of /metrics")?;
        Self::parse(&text)
    }

    /// Reads the Prometheus text format.
    ///
    /// # Errors
    /// When a sample's value is no number.
    pub fn parse(text: &str) -> Result<Self> {
        text.lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(|line| {
                let (series, value) = line
                    .rsplit_once(' ')
                    .with_context(|| format!("no value in {line:?}"))?;
                let value = value
                    .parse()
                    .with_context(|| format!("the value of {line:?}"))?;
                Ok((series.to_owned(), value))
            })
            .collect::<Result<_>>()
            .map(Self)
    }

    /// The sum over all series of `name` whose labels hold every text in `labels` (`kind="phone"`).
    ///
    /// # Errors
    /// When there is no such series: a misspelt name must not read as 0.
    pub fn sum(&self, name: &str, labels: &[&str]) -> Result<f64> {
        let mut found = None;
        for (series, value) in &self.0 {
            let (base, rest) = series.split_once('{').unwrap_or((series, ""));
            if base == name && labels.iter().all(|label| rest.contains(label)) {
                *found.get_or_insert(0.0) += value;
            }
        }
        found.with_context(|| format!("no series {name} with {labels:?} in /metrics"))
    }

    /// All series with their values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0
            .iter()
            .map(|(series, value)| (series.as_str(), *value))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn sums_over_matching_labels_and_refuses_unknown_names() {
        let text = "# HELP x y\nx{kind=\"phone\"} 2\nx{kind=\"browser\"} 3\ny 1\n";
        let scrape = Scrape::parse(text).unwrap();
        assert!((scrape.sum("x", &[]).unwrap() - 5.0).abs() < 1e-9);
        assert!((scrape.sum("x", &["kind=\"phone\""]).unwrap() - 2.0).abs() < 1e-9);
        assert!(scrape.sum("z", &[]).is_err());
    }
}
