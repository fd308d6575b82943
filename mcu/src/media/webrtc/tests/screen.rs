//! A line for the screen beside the camera's.

use super::*;

#[test]
fn the_second_video_line_that_a_client_sends_on_takes_its_screen() {
    let mut pair = Pair::connect();
    let camera = pair.server.slots[0].mid;
    let mut api = pair.client.sdp_api();
    let lines =
        [0; 2].map(|_| api.add_media(MediaKind::Video, Direction::SendOnly, None, None, None));
    let (offer, pending) = api.apply().unwrap();
    let answer = pair
        .server
        .negotiate(&offer.to_sdp_string(), &Limits::default())
        .unwrap();
    pair.client
        .sdp_api()
        .accept_answer(pending, SdpAnswer::from_sdp_string(&answer.sdp).unwrap())
        .unwrap();
    let [screen, third] = lines;
    assert_eq!(answer.screen_mid, Some(screen.to_string()));
    assert_eq!(answer.slot_mids, [camera.to_string()], "it only sends");
    let video = pair.server.leg_config(LegId(1)).unwrap().video.unwrap();
    assert_eq!(video.receive.len(), 2, "each codec once: {video:?}");

    for (mark, mid) in [(1, camera), (2, screen), (3, third)] {
        for number in 0..3 {
            let payload = vec![mark; 30];
            let number = SeqNo::from(number);
            let write = RtpWrite::new(video.receive[0].0.into(), number, 0, pair.now, payload);
            pair.client
                .direct_api()
                .stream_tx_by_mid(mid, None)
                .unwrap()
                .write_rtp(write);
            pair.run(Duration::from_millis(20));
        }
    }
    let mut came: Vec<(Track, u8)> = pair
        .events
        .iter()
        .filter_map(|event| match event {
            PeerEvent::Packet { track, packet } => Some((*track, packet.payload[0])),
            _ => None,
        })
        .collect();
    came.dedup();
    assert_eq!(
        came,
        [(Track::Camera, 1), (Track::Screen, 2)],
        "nothing is taken from a third line"
    );

    assert!(pair.server.request_keyframe(Track::Screen));
    pair.run(Duration::from_millis(200));
    let asked: Vec<Mid> = pair
        .heard
        .iter()
        .filter_map(|event| match event {
            Event::KeyframeRequest(request) => Some(request.mid),
            _ => None,
        })
        .collect();
    assert_eq!(asked, [screen]);
}
