//! Simulcast in offers and answers (RFC 8853), kept from the WebRTC stack: on a line that it knows to come in layers it would
//! send nothing, while a browser's camera line is also the one of its first slot. By their RTP stream ids (RFC 8852) it tells the
//! layers apart all the same.

use std::collections::HashMap;

/// Layers taken of a line.
const MOST_LAYERS: usize = 3;
/// The stack keeps so many bytes of a stream id.
const ID_BYTES: usize = 8;

/// Stream ids of the lines that come in layers, by mid, in the order of the offer.
pub(super) type Layers = HashMap<String, Vec<String>>;

/// The offer without its layers, and these.
pub(super) fn take_layers(offer: &str) -> (String, Layers) {
    let mut layers = Layers::new();
    let mut kept = String::with_capacity(offer.len());
    let mut section = String::new();
    for line in offer.split_inclusive('\n') {
        if line.starts_with("m=") {
            take_section(&std::mem::take(&mut section), &mut kept, &mut layers);
        }
        section.push_str(line);
    }
    take_section(&section, &mut kept, &mut layers);
    (kept, layers)
}

fn take_section(section: &str, kept: &mut String, layers: &mut Layers) {
    let value = |name| section.lines().find_map(|line| line.strip_prefix(name));
    let ids = value("a=simulcast:").map(sent).unwrap_or_default();
    let layered = !ids.is_empty();
    let mid = value("a=mid:").map(str::trim_end);
    if let Some(mid) = mid.filter(|_| layered) {
        layers.insert(mid.to_owned(), ids);
    }
    // Firefox names sources beside the ids, without which source has which: the stack would take each for the whole line.
    let goes = |line: &&str| {
        line.starts_with("a=simulcast:")
            || line.starts_with("a=rid:")
            || layered && line.starts_with("a=ssrc")
    };
    kept.extend(section.split_inclusive('\n').filter(|line| !goes(line)));
}

/// The ids after `send`; of alternatives the first. None when any is not what it should be.
fn sent(list: &str) -> Vec<String> {
    let mut words = list.split(' ');
    let streams = words
        .find(|word| *word == "send")
        .and_then(|_| words.next());
    let ids = streams.unwrap_or_default().split(';').take(MOST_LAYERS);
    let ids = ids.map(|id| id.split(',').next().unwrap_or_default());
    let ids: Vec<String> = ids
        .map(|id| id.trim_start_matches('~').to_owned())
        .collect();
    let usable = |id: &String| {
        (1..=ID_BYTES).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    if ids.iter().all(usable) {
        ids
    } else {
        Vec::new()
    }
}

/// The answer, which takes the layers of the lines that it receives on.
pub(super) fn answer_layers(answer: &str, layers: &Layers) -> String {
    let mut out = String::with_capacity(answer.len());
    let mut section = String::new();
    for line in answer.split_inclusive('\n') {
        if line.starts_with("m=") {
            out.push_str(&complete(&std::mem::take(&mut section), layers));
        }
        section.push_str(line);
    }
    out + &complete(&section, layers)
}

fn complete(section: &str, layers: &Layers) -> String {
    let mut lines = section.lines();
    let mid = lines.find_map(|line| line.strip_prefix("a=mid:"));
    let receives = section
        .lines()
        .any(|l| l == "a=sendrecv" || l == "a=recvonly");
    let Some(ids) = mid.and_then(|mid| layers.get(mid)).filter(|_| receives) else {
        return section.to_owned();
    };
    let rids = ids.iter().map(|id| format!("a=rid:{id} recv\r\n"));
    let rids: String = rids.collect();
    format!("{section}{rids}a=simulcast:recv {}\r\n", ids.join(";"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\nm=audio 9 X 111\r\na=mid:0\r\nm=video 9 X 96\r\na=mid:1\r\na=sendrecv\r\na=rid:q send\r\na=rid:h send\r\na=rid:f send\r\na=simulcast:send q;h;f\r\nm=video 9 X 96\r\na=mid:2\r\n";

    #[test]
    fn layers_leave_the_offer_and_come_back_in_the_answer() {
        let (kept, layers) = take_layers(OFFER);
        assert!(!kept.contains("rid") && !kept.contains("simulcast"));
        assert_eq!(layers.len(), 1);
        assert_eq!(layers["1"], ["q", "h", "f"]);
        let answer = answer_layers(&kept, &layers);
        let added =
            "a=rid:q recv\r\na=rid:h recv\r\na=rid:f recv\r\na=simulcast:recv q;h;f\r\nm=video";
        assert!(answer.contains(added), "{answer}");
        assert_eq!(answer.matches("simulcast").count(), 1);
        let closed = answer_layers(&kept.replace("sendrecv", "inactive"), &layers);
        assert!(!closed.contains("simulcast"));
    }

    #[test]
    fn sources_of_a_line_in_layers_are_known_by_their_ids_alone() {
        let sources = "a=ssrc:1 cname:x\r\na=ssrc-group:FID 1 2\r\n";
        let named = OFFER.replace("a=mid:", &format!("{sources}a=mid:"));
        let (kept, layers) = take_layers(&named);
        assert_eq!(layers["1"].len(), 3);
        let with: Vec<bool> = kept.split("m=").map(|s| s.contains("ssrc")).collect();
        assert_eq!(with, [false, true, false, true], "{kept}");
    }

    #[test]
    fn alternatives_pauses_and_nonsense() {
        assert_eq!(sent("send 1,4;~2;3;5 recv 6"), ["1", "2", "3"]);
        assert_eq!(sent("recv 6 send a"), ["a"]);
        for nonsense in [
            "",
            "send",
            "send ;",
            "send a b",
            "send überlang",
            "send a;123456789",
        ] {
            let ids = sent(nonsense);
            assert!(
                ids.is_empty() || nonsense == "send a b",
                "{nonsense}: {ids:?}"
            );
        }
    }
}
