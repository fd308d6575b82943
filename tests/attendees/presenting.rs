//! Who presents: one at a time, the others in the order of asking; the presenter and hosts pass the turn on.

use anyhow::{Result, ensure};
use plenum_tests::attendee::until;
use serde_json::{Value, json};

use crate::stage::{Actor, SOON, Stage};

/// Waits until everybody is told that it is the turn of the first, whether it has begun, and that the others wait.
async fn turn(cast: &[&Actor], of: Option<(&Actor, bool)>, waiting: &[&Actor]) -> Result<()> {
    let wanted = of.map(|(actor, begun)| (actor.bot.id(), begun));
    let queue: Vec<String> = waiting.iter().map(|actor| actor.bot.id()).collect();
    for actor in cast {
        until(&format!("the turn as {} sees it", actor.name), SOON, || {
            let view = actor.bot.view();
            ensure!(view.turn == wanted && view.waiting == queue, "{view:?}");
            for (id, person) in &view.roster {
                let presents = wanted.as_ref() == Some(&(id.clone(), true));
                ensure!(person.presenting == presents, "{id} in {view:?}");
            }
            Ok(())
        })
        .await?;
    }
    Ok(())
}

fn present(on: bool) -> Value {
    json!({ "type": "present", "on": on })
}

fn grant(to: &Actor, on: bool) -> Value {
    json!({ "type": "present_grant", "participant": to.bot.id(), "on": on })
}

/// Waits for one more error of that code.
async fn refused(actor: &Actor, message: Value, code: &str) -> Result<()> {
    let before = actor.bot.view().errors.len();
    actor.bot.say(message).await?;
    until("the refusal", SOON, || {
        let errors = actor.bot.view().errors;
        ensure!(
            errors.len() > before && errors.last().is_some_and(|last| last == code),
            "{errors:?}"
        );
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_turn_to_present_is_asked_for_given_taken_and_stopped() {
    let stage = Stage::open("attendees-presenting").unwrap();
    let ann = stage.enter(&stage.host(), 0, true).await.unwrap();
    let bob = stage.enter(&stage.guest(), 1, true).await.unwrap();
    let cleo = stage.enter(&stage.guest(), 2, true).await.unwrap();
    let all = [&ann, &bob, &cleo];

    bob.bot.say(present(true)).await.unwrap();
    turn(&all, Some((&bob, true)), &[]).await.unwrap();
    // Three cameras, of which the presenter sees two, and the screen.
    assert_eq!(cleo.bot.view().slots_wanted, 3);

    cleo.bot.say(present(true)).await.unwrap();
    turn(&all, Some((&bob, true)), &[&cleo]).await.unwrap();
    refused(&cleo, grant(&cleo, true), "forbidden")
        .await
        .unwrap();
    refused(&cleo, json!({ "type": "present_take" }), "forbidden")
        .await
        .unwrap();
    refused(&cleo, json!({ "type": "present_stop" }), "forbidden")
        .await
        .unwrap();

    // The presenter refuses, then gives; the turn has to be begun.
    bob.bot.say(grant(&cleo, false)).await.unwrap();
    turn(&all, Some((&bob, true)), &[]).await.unwrap();
    cleo.bot.say(present(true)).await.unwrap();
    turn(&all, Some((&bob, true)), &[&cleo]).await.unwrap();
    bob.bot.say(grant(&cleo, true)).await.unwrap();
    turn(&all, Some((&cleo, false)), &[]).await.unwrap();
    cleo.bot.say(present(true)).await.unwrap();
    turn(&all, Some((&cleo, true)), &[]).await.unwrap();

    // A host takes over; who comes late is told.
    ann.bot
        .say(json!({ "type": "present_take" }))
        .await
        .unwrap();
    turn(&all, Some((&ann, true)), &[]).await.unwrap();
    let dan = stage.enter(&stage.guest(), 3, false).await.unwrap();
    turn(&[&dan], Some((&ann, true)), &[]).await.unwrap();
    refused(
        &ann,
        json!({ "type": "present_grant", "participant": "p_nobody", "on": true }),
        "bad_message",
    )
    .await
    .unwrap();

    // Whoever leaves frees it for who waits; the API shows and stops it.
    bob.bot.say(present(true)).await.unwrap();
    turn(&[&cleo], Some((&ann, true)), &[&bob]).await.unwrap();
    ann.bot.say(json!({ "type": "leave" })).await.unwrap();
    let rest = [&bob, &cleo, &dan];
    turn(&rest, Some((&bob, false)), &[]).await.unwrap();
    bob.bot.say(present(true)).await.unwrap();
    turn(&rest, Some((&bob, true)), &[]).await.unwrap();
    let path = format!("/conferences/{}", stage.conference.id);
    let (status, shown) = stage
        .server
        .rest("GET", &format!("{path}/participants"), &Value::Null)
        .unwrap();
    assert_eq!(status, 200);
    let presenting: Vec<_> = shown["participants"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|person| person["presenting"] == true)
        .map(|person| person["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(presenting, [bob.bot.id()]);
    let stopped = stage
        .server
        .rest("DELETE", &format!("{path}/presentation"), &Value::Null)
        .unwrap();
    assert_eq!(stopped.0, 204);
    turn(&rest, None, &[]).await.unwrap();
}
