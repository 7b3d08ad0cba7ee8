//! Contexts over restarts, changes and crowds: no sender number twice.

use std::collections::BTreeSet;

use latchwork_oscore::OscoreOption;

use super::*;
use crate::core::records::SenderNumbers;

const THIRD: &str = "303132333435363738393a3b3c3d3e3f";

/// The server's own sender number in an answer.
fn number(answer: &[u8]) -> Option<u64> {
    let message = Message::parse(answer).unwrap();
    OscoreOption::of(&message).unwrap()?.piv.map(|piv| piv.number())
}

/// Asks without Echo until `count` challenges came; the numbers they spent.
async fn challenges(life: &Life, context: &mut Context, count: u16) -> Vec<u64> {
    let socket = socket().await;
    let mut numbers = Vec::new();
    for id in 0..count {
        let (sent, _) = datagram(context, id, &[], &asked());
        numbers.extend(number(&exchange(&socket, life.addr, &sent).await));
    }
    numbers
}

async fn reserved(world: &World) -> Vec<u64> {
    world.shell.records.all::<SenderNumbers>().await.unwrap().into_iter().map(|(numbers, _)| numbers.below).collect()
}

/// R8613-7.5-01
#[tokio::test]
async fn no_number_twice_across_restarts() {
    let world = World::new().await;
    let mut context = Some(clients("0a", SECRET));
    let (mut used, mut below) = (BTreeSet::new(), 0);
    for count in [1, 0, 3, 300, 1, 2] {
        let life = world.start().await;
        for number in challenges(&life, context.as_mut().unwrap(), count).await {
            assert!(number >= below, "{number}: the life before may have used all below {below}");
            assert!(used.insert(number), "{number} twice");
        }
        let now = reserved(&world).await.first().copied().unwrap_or_default();
        assert!(used.last().is_none_or(|last| *last < now), "durable before use");
        let mut client = life.client(context.take()).await;
        assert!(is_token(&post(&mut client, &asked()).await), "by Echo");
        assert_eq!(client.traffic().round_trips, 2);
        context = client.set_context(None);
        below = reserved(&world).await[0];
        assert!(below >= now);
    }
    assert_eq!(world.tokens().await, 6);
    assert_eq!(reserved(&world).await.len(), 1);
}

/// R9175-2.3-01
#[tokio::test]
async fn what_was_accepted_before_a_restart_is_not_again() {
    let world = World::new().await;
    let life = world.start().await;
    let mut client = life.client(Some(clients("0a", SECRET))).await;
    assert!(is_token(&post(&mut client, &asked()).await));
    let mut context = client.set_context(None).unwrap();
    let (sent, _) = datagram(&mut context, 1, &[], &asked());
    exchange(&socket().await, life.addr, &sent).await;
    assert_eq!(world.tokens().await, 2);
    drop(life);

    let life = world.start().await;
    let answer = exchange(&socket().await, life.addr, &sent).await;
    assert!(number(&answer).is_some(), "challenged");
    let mut client = life.client(Some(context)).await;
    assert!(is_token(&post(&mut client, &asked()).await));
    let answer = exchange(&socket().await, life.addr, &sent).await;
    assert_eq!((number(&answer), Message::parse(&answer).unwrap().code), (None, Code::UNAUTHORIZED));
    assert_eq!(world.tokens().await, 3);
}

#[tokio::test]
async fn two_servers_over_one_store_share_no_number() {
    let world = World::new().await;
    let (here, there) = (world.start().await, world.start().await);
    let (mut context, mut used) = (clients("0a", SECRET), BTreeSet::new());
    for count in [1, 200, 1, 200] {
        for life in [&here, &there] {
            for number in challenges(life, &mut context, count).await {
                assert!(used.insert(number), "{number} twice");
            }
        }
    }
    assert!(used.len() > 700, "{}: whoever lost a block starts behind it", used.len());
}

#[tokio::test]
async fn an_applied_change_takes_effect() {
    let world = World::new().await;
    let life = world.start().await;
    let mut first = clients("0a", SECRET);
    let mut used: BTreeSet<u64> = challenges(&life, &mut first, 3).await.into_iter().collect();
    let mut old = life.client(Some(first)).await;
    assert!(is_token(&post(&mut old, &asked()).await));

    // The same once more changes nothing.
    world.declare(json!({ "oscore": [context("robot", "0a", SECRET)] })).await;
    assert!(is_token(&post(&mut old, &asked()).await));
    assert_eq!(old.traffic().round_trips, 3);

    world.declare(json!({ "oscore": [context("robot", "0a", OTHER)] })).await;
    assert_eq!(post(&mut old, &asked()).await.code, Code::BAD_REQUEST);
    let mut new = life.client(Some(clients("0a", OTHER))).await;
    assert!(is_token(&post(&mut new, &asked()).await));

    // Back again: its numbers go on where they were.
    world.declare(json!({ "oscore": [context("robot", "0a", SECRET)] })).await;
    let mut first = old.set_context(None).unwrap();
    for number in challenges(&life, &mut first, 3).await {
        assert!(used.insert(number), "{number} twice");
    }
    old.set_context(Some(first));
    assert!(is_token(&post(&mut old, &asked()).await));

    world.declare(json!({ "oscore": [context("robot", "0e", SECRET)] })).await;
    assert_eq!(post(&mut old, &asked()).await.code, Code::UNAUTHORIZED);
    assert!(is_token(&post(&mut life.client(Some(clients("0e", SECRET))).await, &asked()).await));

    world.declare(json!({ "client": [robot("other")], "oscore": [context("other", "0a", OTHER)] })).await;
    let mut other = life.client(Some(clients("0a", OTHER))).await;
    assert!(is_token(&post(&mut other, &asked()).await));
    assert_eq!(world.last_entry()["client"], "other");
    // Each gets the other's name.
    world.declare(json!({ "oscore": [context("other", "0e", OTHER), context("robot", "0a", SECRET)] })).await;
    let mut renamed = life.client(Some(clients("0e", OTHER))).await;
    assert!(is_token(&post(&mut renamed, &asked()).await));
    assert_eq!(world.last_entry()["client"], "other");
}

/// R9200-6.3-01, R8613-3.3-01
#[tokio::test]
async fn names_and_secrets_of_two_are_refused() {
    let world = World::new().await;
    let in_context = |client: &str, id: &str| {
        let mut declared = context(client, "0a", OTHER);
        declared["id_context"] = json!(id);
        declared
    };
    let long = "00".repeat(33);
    let mut third = in_context("third", "");
    third["master_secret"] = json!(THIRD);
    for (what, declared, fine) in [
        ("another's kid", vec![context("other", "0a", OTHER)], false),
        ("the same kid for two", vec![context("other", "0f", OTHER), context("third", "0f", OTHER)], false),
        ("the same id context", vec![in_context("other", "01"), in_context("third", "01")], false),
        ("an id context that is too long", vec![in_context("other", &long), in_context("third", "01")], false),
        ("another's secret", vec![context("other", "0f", SECRET)], false),
        ("one secret for two", vec![context("other", "0f", OTHER), context("third", "10", OTHER)], false),
        ("an id context of its own, also an empty one", vec![in_context("other", "01"), third], true),
    ] {
        let clients: Vec<_> = declared.iter().filter_map(|it| it["client"].as_str()).map(robot).collect();
        let declaration = json!({ "client": clients, "oscore": declared });
        assert_eq!(world.try_declare(declaration).await.is_ok(), fine, "{what}");
    }
    let life = world.start().await;
    for (client, id_context) in [("robot", None), ("other", Some(&[1][..])), ("third", Some(&[]))] {
        let secret = match client {
            "robot" => SECRET,
            "other" => OTHER,
            _ => THIRD,
        };
        let mut asking = life.client(Some(clients_in("0a", secret, id_context))).await;
        assert!(is_token(&post(&mut asking, &asked()).await), "{client}");
        assert_eq!(world.last_entry()["client"], client);
    }
}

#[tokio::test]
async fn whoever_was_forgotten_comes_back_by_echo() {
    let world = World::new().await;
    let ids: Vec<String> = (0x20..0x34).map(|kid: u8| format!("{kid:02x}")).collect();
    world
        .declare(json!({
            "client": ids.iter().map(|id| robot(id)).collect::<Vec<_>>(),
            "oscore": ids.iter().map(|id| context(id, id, &format!("{SECRET}{id}"))).collect::<Vec<_>>(),
        }))
        .await;
    let life = world.start().await;
    let mut asking = Vec::new();
    for id in &ids {
        asking.push(life.client(Some(clients(id, &format!("{SECRET}{id}")))).await);
    }
    for round in 1..=2 {
        for (id, client) in ids.iter().zip(&mut asking) {
            assert!(is_token(&post(client, &asked()).await), "{id}");
            assert_eq!(client.traffic().round_trips, 2 * round, "{id}");
        }
    }
    let last = asking.last_mut().unwrap();
    assert!(is_token(&post(last, &asked()).await));
    assert_eq!(last.traffic().round_trips, 5, "who asks again soon is remembered");
}
