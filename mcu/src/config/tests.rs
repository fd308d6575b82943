#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;

use plenum_codecs::audio::AudioCodec;
use plenum_dialin::identity::{CalledFrom, CallerFrom};
use plenum_mixer::compose::Mark;

use super::*;
use crate::scratch::Folder;

const EXAMPLE: &str = include_str!("../../../config.example.toml");

fn parse(text: &str) -> Result<Config, ConfigFaults> {
    Config::parse(Some(text), std::iter::empty())
}

#[test]
fn the_example_states_the_defaults() {
    assert_eq!(parse(EXAMPLE).unwrap(), Config::default());
}

#[test]
fn the_example_names_every_key() {
    for key in Config::keys() {
        let (section, name) = key.rsplit_once('.').unwrap();
        let of_many = section.contains('.');
        let heading = if of_many {
            format!("# [[{section}]]")
        } else {
            format!("[{section}]")
        };
        let after = EXAMPLE
            .split_once(&heading)
            .unwrap_or_else(|| panic!("{heading} is missing"))
            .1;
        let body = if of_many {
            after
        } else {
            after.split("\n[").next().unwrap()
        };
        let stated = body.lines().any(|line| {
            line.trim_start_matches(['#', ' '])
                .starts_with(&format!("{name} = "))
        });
        assert!(stated, "{key} is not in config.example.toml");
    }
}

#[test]
fn every_fault_is_reported_at_once_with_its_line_and_remedy() {
    let faults = parse(
        "[server]\nbind = \"nowhere\"\n[http]\nprot = 8080\nport = 70000\n[log]\nformat = 3\n[sip]\nrtp_port_last = 2000\n",
    )
    .unwrap_err();
    let text = faults.to_string();
    for expected in [
        "5 faults",
        "line 2: server.bind = \"nowhere\": is not an IP address",
        "line 4: http.prot = 8080: no such key; did you mean http.port?",
        "line 5: http.port = 70000: is not a whole number from 0 to 65535",
        "line 7: log.format = 3: is not a string",
        "sip.rtp_port_last = 2000: is not above sip.rtp_port_first",
    ] {
        assert!(text.contains(expected), "{expected:?} is not in\n{text}");
    }
}

#[test]
fn broken_toml_tells_its_line() {
    let faults = parse("[http]\nport = \n").unwrap_err();
    assert_eq!(faults.faults().first().unwrap().line, Some(2));
}

#[test]
fn the_environment_overrides_the_file_and_is_checked_alike() {
    let environment = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect::<Vec<_>>()
            .into_iter()
    };
    let config = Config::parse(
        Some("[http]\nport = 1\n"),
        environment(&[("PLENUM_HTTP__PORT", "9000"), ("HOME", "/")]),
    )
    .unwrap();
    assert_eq!(config.http.port, 9000);
    let faults = Config::parse(
        None,
        environment(&[("PLENUM_HTTP__PROT", "9000"), ("PLENUM_SIP__ENABLED", "ja")]),
    );
    assert_eq!(faults.unwrap_err().faults().len(), 2);
}

#[test]
fn a_file_without_demo_section_has_no_demo() {
    assert!(!parse("[http]\nport = 8080\n").unwrap().demo.enabled);
    assert!(
        Config::parse(None, std::iter::empty())
            .unwrap()
            .demo
            .enabled
    );
}

#[test]
fn trunks_are_read_and_every_bad_one_is_reported() {
    let config =
        parse("[[sip.trunks]]\nname = \"pbx\"\naddresses = [\"10.0.0.0/8\"]\ndirect = true\n")
            .unwrap();
    let trunk = config.sip.trunks.first().unwrap();
    assert!(trunk.direct && trunk.video);
    let voice =
        parse("[[sip.trunks]]\nname = \"pbx\"\naddresses = [\"10.0.0.1\"]\nvideo = false\n");
    assert!(!voice.unwrap().sip.trunks.first().unwrap().video);
    assert_eq!(trunk.addresses.first().unwrap().to_string(), "10.0.0.0/8");
    let bad = parse(
        "[[sip.trunks]]\nname = \"a\"\naddresses = [\"10.0.0.0/99\"]\n[[sip.trunks]]\nname = \"a\"\naddress = \"x\"\nuser = \"u\"\n",
    );
    let text = bad.unwrap_err().to_string();
    for expected in [
        "prefix length",
        "an earlier trunk has this name",
        "sip.trunks[1].address =",
        "digest needs both",
    ] {
        assert!(text.contains(expected), "{expected:?} is not in\n{text}");
    }
}

#[test]
fn numbers_have_languages_of_their_own_and_every_bad_one_is_reported() {
    let config = parse(
        "[sip]\nlanguages = [\"fr\"]\n[[sip.numbers]]\nnumber = \"+49 30 1\"\nlanguages = [\"de\", \"en\"]\nconference = \"1001\"\n\
         [[sip.numbers]]\nnumber = \"2\"\n",
    )
    .unwrap();
    let spoken = |languages: &[Language]| -> Vec<String> {
        languages.iter().map(Language::to_string).collect()
    };
    let [first, second] = config.sip.numbers.as_slice() else {
        panic!("{:?}", config.sip.numbers)
    };
    assert_eq!(spoken(&first.languages), ["de", "en"]);
    assert_eq!(first.conference.as_deref(), Some("1001"));
    assert_eq!(spoken(&second.languages), ["fr"], "the house's");
    assert_eq!(spoken(&config.languages()), ["fr", "de", "en"]);
    let bad = parse(
        "[sip]\nlanguages = [\"xx\", \"en\", \"en\"]\n[[sip.numbers]]\nnumber = \"1\"\nconference = \"abc\"\n\
         [[sip.numbers]]\nnumber = \"+1\"\n[[sip.numbers]]\nname = \"x\"\n",
    );
    let text = bad.unwrap_err().to_string();
    for expected in [
        "no language that there are prompts of; use en, es, fr, it, de",
        "sip.languages = en: is there twice",
        "is no conference number",
        "sip.numbers[1].number = +1: is there twice",
        "has no digits",
        "sip.numbers[2].name =",
    ] {
        assert!(text.contains(expected), "{expected:?} is not in\n{text}");
    }
}

#[test]
fn all_interfaces_need_an_announced_address() {
    assert!(
        parse("[server]\nbind = \"0.0.0.0\"\n")
            .unwrap_err()
            .to_string()
            .contains("server.announced")
    );
    let config = parse("[server]\nbind = \"0.0.0.0\"\nannounced = \"192.0.2.7\"\n").unwrap();
    assert_eq!(config.server.reachable().to_string(), "192.0.2.7");
    assert!(
        config
            .warnings()
            .iter()
            .any(|warning| warning.contains("https"))
    );
}

#[test]
fn ports_must_suffice_for_the_calls() {
    let text = "[sip]\nrtp_port_first = 20000\nrtp_port_last = 20009\nmax_calls = 6\n";
    assert!(
        parse(text)
            .unwrap_err()
            .to_string()
            .contains("sip.max_calls")
    );
    assert!(parse(&text.replace("= 6", "= 5")).is_ok());
}

#[test]
fn own_layouts_join_the_built_in_ones() {
    let config = parse(
        "[conference]\nvideo = \"composite\"\nlayout = \"lecture\"\n[video]\nsize = \"640x360\"\n\
         [[video.layouts]]\nname = \"lecture\"\ngrid = \"8x8\"\ntiles = [\"*0,1,6,6\", \"6,0,2,8/1+1\"]\n",
    )
    .unwrap();
    assert_eq!(config.conference.video, VideoPolicy::Composite);
    assert_eq!(config.video.size, (640, 360));
    let lecture = config.video.layouts.get("lecture").unwrap();
    assert_eq!(lecture.arrangement(3).unwrap().tiles(), 3);
    assert_eq!(config.video.layouts.names().count(), 6);
}

#[test]
fn what_is_wrong_with_a_layout_is_said_with_its_line() {
    let faults = parse(
        "[conference]\nlayout = \"none\"\n[video]\nsize = \"641x360\"\n[[video.layouts]]\nname = \"grid\"\n\
         grid = \"1x1\"\ntiles = [\"0,0,1,1\"]\n[[video.layouts]]\nname = \"mine\"\ngrid = \"2x2\"\n\
         tiles = [\"0,0,2,1\", \"1,0,1,2\"]\n[[video.layouts]]\nname = \"other\"\ngrid = \"x\"\ntiles = [\"0,0,1,1\"]\n",
    )
    .unwrap_err();
    let said: Vec<_> = faults
        .faults()
        .iter()
        .map(|fault| (fault.line, fault.key.as_str()))
        .collect();
    let wanted = [
        (Some(2), "conference.layout"),
        (Some(4), "video.size"),
        (Some(6), "video.layouts[0].name"),
        (Some(12), "video.layouts[1].tiles"),
        (Some(15), "video.layouts[2].grid"),
    ];
    assert_eq!(said, wanted, "{faults}");
    assert!(
        faults.to_string().contains("tile 2 overlaps tile 1"),
        "{faults}"
    );
}

#[test]
fn a_clock_and_a_watermark_are_read_and_what_is_wrong_with_them_is_said() {
    let folder = Folder::new();
    let path = folder.path().join("mark.png");
    let file = std::fs::File::create(&path).unwrap();
    let mut encoder = png::Encoder::new(file, 3, 2);
    encoder.set_color(png::ColorType::GrayscaleAlpha);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&[200, 128].repeat(6)).unwrap();
    writer.finish().unwrap();
    let video = |clock: &str, mark: &Path| {
        let mark = mark.display();
        parse(&format!(
            "[video]\nclock = \"{clock}\"\nwatermark = \"{mark}\"\n"
        ))
    };
    let config = video("Europe/Berlin", &path).unwrap();
    assert!(config.video.clock.is_some());
    let mark = Mark::new(3, vec![[200, 200, 200, 128]; 6]);
    assert_eq!(config.video.watermark, mark);
    let config = video("", Path::new("")).unwrap();
    assert!(config.video.clock.is_none() && config.video.watermark.is_none());
    std::fs::write(&path, "no picture").unwrap();
    let error = video("Mars/Olympus", &path).unwrap_err().to_string();
    assert!(error.contains("is no time zone"), "{error}");
    assert!(error.contains("is no PNG that can be read"), "{error}");
    let banner = |text: &str| parse(&format!("[video]\nbanner = \"{text}\"\n"));
    assert_eq!(banner(" Welcome ").unwrap().video.banner, "Welcome");
    for wrong in ["two\\nlines", &"long".repeat(40)] {
        let error = banner(wrong).unwrap_err().to_string();
        assert!(
            error.contains("is too long, or more than a line"),
            "{error}"
        );
    }
}

#[test]
fn a_trunks_terms_are_read_and_what_is_wrong_with_them_is_said() {
    let text = "[[sip.trunks]]\nname = \"carrier\"\naddresses = [\"192.0.2.1\"]\nsrtp = \"required\"\n\
                codecs = [\"PCMA\", \"opus\"]\ncaller = \"diversion\"\ncalled = \"to\"\n\
                rewrite_caller = [\"00=+\", \"=+4930\"]\nmax_calls = 30\ncalls_per_second = 5\n";
    let config = parse(text).unwrap();
    let [trunk] = &config.sip.trunks[..] else {
        panic!("one trunk");
    };
    assert_eq!(trunk.srtp_of(false), SrtpMode::Required);
    assert_eq!(trunk.codecs, [AudioCodec::Pcma, AudioCodec::Opus]);
    assert_eq!(trunk.identity.caller, CallerFrom::Diversion);
    assert_eq!(trunk.identity.called, CalledFrom::To);
    assert_eq!(trunk.identity.caller_rules.len(), 2);
    assert_eq!(
        (trunk.max_calls, trunk.calls_per_second),
        (Some(30), Some(5))
    );
    let faults = parse(
        &text
            .replace("PCMA", "gsm")
            .replace("\"00=+\"", "\"00\", \"a=b\"")
            .replace("required", "always"),
    )
    .unwrap_err();
    let said: Vec<_> = faults
        .faults()
        .iter()
        .filter_map(|fault| fault.key.strip_prefix("sip.trunks[0]"))
        .collect();
    assert_eq!(
        said,
        [".srtp", ".codecs", ".rewrite_caller", ".rewrite_caller"],
        "{faults}"
    );
}

#[test]
fn without_a_word_srtp_is_for_calls_over_tls() {
    let trunk = &parse("").unwrap().sip.trunks[0];
    assert_eq!(trunk.srtp_of(true), SrtpMode::Optional);
    assert_eq!(trunk.srtp_of(false), SrtpMode::Off);
}

#[test]
fn a_trunk_with_video_takes_four_ports_a_call() {
    let text = "[sip]\nrtp_port_first = 20000\nrtp_port_last = 20039\nmax_calls = 11\n\
                [[sip.trunks]]\nname = \"pbx\"\naddresses = [\"192.0.2.1\"]\n";
    let faults = parse(text).unwrap_err();
    assert_eq!(faults.faults()[0].key, "sip.max_calls");
    assert!(faults.to_string().contains("four RTP ports"), "{faults}");
    assert!(parse(&text.replace("11", "10")).is_ok());
    assert!(parse(&format!("{text}video = false\n").replace("11", "20")).is_ok());
    let most = |text: &str| parse(text).unwrap().sip.max_calls;
    assert_eq!(most(&text.replace("max_calls = 11\n", "")), 10);
}
