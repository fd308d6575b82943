//! What pages measure of the pictures and the sound that come to them.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{Browsers, Hearing, Lips, Reading};

impl Browsers {
    /// Reads the slide that another page shares.
    ///
    /// # Errors
    /// When the page has no connection.
    pub fn read(&mut self, name: &str) -> Result<Reading> {
        let answer = self.ask(json!({ "action": "read", "name": name }))?;
        let count = |key: &str| answer[key].as_u64().with_context(|| format!("no {key}"));
        #[expect(clippy::cast_precision_loss, reason = "some thousands of cells")]
        let right = count("right")? as f64 / count("cells")?.max(1) as f64;
        Ok(Reading {
            size: (count("width")?, count("height")?),
            right,
        })
    }

    /// How long after its connection stood a page saw a picture of a slide's size, and read the slide in it.
    ///
    /// # Errors
    /// When it has not read it yet, or was not opened to.
    pub fn sharp(&mut self, name: &str) -> Result<(Duration, Duration)> {
        let answer = self.ask(json!({ "action": "sharp", "name": name }))?;
        let at = |key: &str| {
            let millis = answer[key].as_f64();
            let millis = millis.with_context(|| format!("no {key} picture: {answer}"))?;
            Ok::<_, anyhow::Error>(Duration::from_secs_f64(millis.max(0.0) / 1_000.0))
        };
        Ok((at("large")?, at("sharp")?))
    }

    /// Watches for so long; of each remote picture, how often it changed and how long it stood still at most.
    ///
    /// # Errors
    /// When the page has no connection.
    pub fn stills(&mut self, name: &str, seconds: u32) -> Result<Vec<(u64, Duration)>> {
        let answer = self.ask(json!({ "action": "stills", "name": name, "seconds": seconds }))?;
        let pictures = answer.as_array().context("no pictures")?;
        let still = |picture: &Value| {
            let longest = picture["longest"].as_f64()?;
            let longest = Duration::from_secs_f64(longest / 1_000.0);
            Some((picture["pictures"].as_u64()?, longest))
        };
        let stills = pictures.iter().map(still);
        stills.collect::<Option<_>>().context("no stills")
    }

    /// What the page got of the remote audio.
    ///
    /// # Errors
    /// When it has no connection.
    pub fn hearing(&mut self, name: &str) -> Result<Hearing> {
        let answer = self.ask(json!({ "action": "hearing", "name": name }))?;
        let count = |key: &str| answer[key].as_u64().with_context(|| format!("no {key}"));
        Ok(Hearing {
            said: count("said")?,
            received: count("received")?,
            lost: answer["lost"].as_i64().context("no lost")?,
            reports: count("reports")?,
            sent: count("sent")?,
        })
    }

    /// Bytes of its camera that the page has sent so far, in all sizes.
    ///
    /// # Errors
    /// When it has no connection.
    pub fn filmed(&mut self, name: &str) -> Result<u64> {
        let answer = self.ask(json!({ "action": "filmed", "name": name }))?;
        answer.as_u64().context("no bytes")
    }

    /// One page, opened by [`Browsers::open_to_flash`], calls another directly, and both forget what they had open.
    ///
    /// # Errors
    /// When they do not connect.
    pub fn pair(&mut self, name: &str, to: &str) -> Result<()> {
        self.ask(json!({ "action": "pair", "name": name, "to": to }))?;
        Ok(())
    }

    /// Watches what comes of a page that [`Browsers::open_to_flash`] opened for so long.
    ///
    /// # Errors
    /// When the page has no connection.
    pub fn lips(&mut self, name: &str, seconds: u32) -> Result<Lips> {
        let answer = self.ask(json!({ "action": "lips", "name": name, "seconds": seconds }))?;
        let numbers = |key: &str| -> Result<Vec<f64>> {
            let numbers = answer[key]
                .as_array()
                .with_context(|| format!("no {key}"))?;
            Ok(numbers.iter().filter_map(Value::as_f64).collect())
        };
        let (flashes, beeps) = (numbers("flashes")?, numbers("beeps")?);
        let nearest = |flash: &f64| {
            let late = beeps.iter().map(|beep| beep - flash);
            late.min_by(|one, other| one.abs().total_cmp(&other.abs()))
        };
        // One a second: what is further away belongs to another flash.
        let late = flashes.iter().filter_map(nearest);
        let mut late: Vec<f64> = late.filter(|late| late.abs() < 500.0).collect();
        late.sort_by(f64::total_cmp);
        let mut reckoned = numbers("reckoned")?;
        reckoned.sort_by(f64::total_cmp);
        Ok(Lips { late, reckoned })
    }
}
