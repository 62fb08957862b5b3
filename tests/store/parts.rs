//! Tokens, keys of idempotent calls, the outbox of webhooks, and use.

use crate::on_both;
use crate::place::{Place, time};
use doorstep::store::{
    Answer, Claimed, DeliveryState, KeyedCall, Measured, NewToken, Order, Outcoming, Store, TokenFilter, TokenGrant,
    TokenOrder, TokenPlace, TokenState, UsageFilter, Webhook,
};
use std::time::Duration;

on_both!(
    a_token_is_found_by_its_hash_until_it_is_revoked,
    tokens_are_listed_in_pages_in_each_order_and_by_state,
    a_keyed_call_is_done_once_and_answered_alike,
    a_claim_of_a_dead_process_is_taken_over,
    many_at_once_get_one_claim,
    an_event_and_what_is_to_be_said_of_it_are_kept_together,
    a_delivery_whose_process_died_is_due_again,
    a_dead_webhook_does_not_keep_the_others_waiting,
    what_is_given_up_can_be_sent_again,
    use_is_counted_once_and_by_day,
);

async fn a_token_is_found_by_its_hash_until_it_is_revoked(place: Place) {
    let store = place.open().await;
    let token = NewToken {
        id: "ci".to_owned(),
        hash: "ab".repeat(32),
        grant: TokenGrant {
            subject: "anna".to_owned(),
            name: "it's for \"CI\"".to_owned(),
            role: "user".to_owned(),
            user: Some("anna".to_owned()),
            teams: vec!["red".to_owned(), "blue, green".to_owned()],
            scopes: Vec::new(),
        },
        created_by: "anna".to_owned(),
        created_at: time(0),
        expires_at: Some(time(100)),
    };
    store.tokens().create(&token).await.unwrap();
    assert!(store.tokens().create(&token).await.is_err(), "a name and a hash are used once");
    let found = store.tokens().by_hash(&token.hash).await.unwrap().unwrap();
    assert_eq!((&found.grant, found.expires_at, found.last_used_at), (&token.grant, Some(time(100)), None));
    store.tokens().used("ci", time(50)).await.unwrap();
    store.tokens().used("ci", time(40)).await.unwrap();
    assert!(store.tokens().revoke("ci", time(60)).await.unwrap());
    assert!(!store.tokens().revoke("ci", time(70)).await.unwrap());
    let of = |subject: &str| TokenFilter { subject: Some(subject.to_owned()), ..TokenFilter::default() };
    let kept = store.tokens().list(&of("anna"), 10).await.unwrap();
    assert_eq!((kept[0].last_used_at, kept[0].revoked_at), (Some(time(50)), Some(time(60))));
    assert!(store.tokens().list(&of("ben"), 10).await.unwrap().is_empty());
    assert_eq!(store.tokens().forget(time(61)).await.unwrap(), 1);
    assert_eq!(store.tokens().by_hash(&token.hash).await.unwrap(), None);
}

async fn tokens_are_listed_in_pages_in_each_order_and_by_state(place: Place) {
    let store = place.open().await;
    // Two have the same name, and two were made at the same time.
    for (id, name, made, ends) in
        [("t1", "b", 3, Some(50)), ("t2", "a", 1, None), ("t3", "b", 1, Some(90)), ("t4", "c", 2, None)]
    {
        let token = NewToken {
            id: id.to_owned(),
            hash: id.repeat(32),
            grant: TokenGrant {
                subject: "anna".to_owned(),
                name: name.to_owned(),
                role: "user".to_owned(),
                ..TokenGrant::default()
            },
            created_by: "anna".to_owned(),
            created_at: time(made),
            expires_at: ends.map(time),
        };
        store.tokens().create(&token).await.unwrap();
    }
    assert!(store.tokens().revoke("t4", time(60)).await.unwrap());
    let pages = async |filter: TokenFilter| {
        let (mut filter, mut ids) = (filter, Vec::new());
        loop {
            let page = store.tokens().list(&filter, 2).await.unwrap();
            let Some(last) = page.last() else { return ids.join(" ") };
            filter.behind = Some(TokenPlace::of(last));
            ids.extend(page.into_iter().map(|token| token.id));
        }
    };
    for (order, down, wanted) in [
        (TokenOrder::Name, false, "t2 t1 t3 t4"),
        (TokenOrder::Name, true, "t4 t3 t1 t2"),
        (TokenOrder::Created, false, "t2 t3 t4 t1"),
        (TokenOrder::Created, true, "t1 t4 t3 t2"),
    ] {
        assert_eq!(pages(TokenFilter { order, down, ..TokenFilter::default() }).await, wanted, "{order:?} {down}");
    }
    for (state, wanted) in [(TokenState::Active, "t2 t3"), (TokenState::Expired, "t1"), (TokenState::Revoked, "t4")] {
        let filter =
            TokenFilter { subject: Some("anna".to_owned()), state: Some((state, time(50))), ..TokenFilter::default() };
        assert_eq!(pages(filter).await, wanted, "{state:?}");
    }
}

fn call(key: &str, fingerprint: &str, at: i64) -> KeyedCall {
    let (caller, key, fingerprint) = ("anna".to_owned(), key.to_owned(), fingerprint.to_owned());
    KeyedCall { caller, key, fingerprint, at: time(at), expires_at: time(at + 100) }
}

fn answer() -> Answer {
    Answer { status: 201, headers: vec![("etag".to_owned(), "\"1\"".to_owned())], body: "{\"ä\":1}".to_owned() }
}

async fn a_keyed_call_is_done_once_and_answered_alike(place: Place) {
    let store = place.open().await;
    let keys = store.idempotency();
    let Claimed::Mine(claim) = keys.claim(&call("k", "a", 0)).await.unwrap() else { panic!("the first one does it") };
    assert_eq!(keys.claim(&call("k", "a", 1)).await.unwrap(), Claimed::Running);
    assert_eq!(keys.claim(&call("k", "b", 1)).await.unwrap(), Claimed::Other);
    assert!(keys.finish(&claim, &answer()).await.unwrap());
    assert_eq!(keys.claim(&call("k", "a", 2)).await.unwrap(), Claimed::Done(answer()));
    let another = KeyedCall { caller: "ben".to_owned(), ..call("k", "c", 3) };
    let Claimed::Mine(claim) = keys.claim(&another).await.unwrap() else { panic!("another caller's key is another") };
    keys.release(&claim).await.unwrap();
    assert!(matches!(keys.claim(&another).await.unwrap(), Claimed::Mine(_)));
    assert!(matches!(keys.claim(&call("k", "b", 100)).await.unwrap(), Claimed::Mine(_)), "the first one has expired");
    assert_eq!(keys.forget(time(1000)).await.unwrap(), 2);
}

async fn a_claim_of_a_dead_process_is_taken_over(place: Place) {
    let store = place.open().await;
    let Claimed::Mine(old) = store.idempotency().claim(&call("k", "a", 0)).await.unwrap() else { panic!("first") };
    drop(store);
    place.kill_all().await;
    let store = place.open().await;
    let keys = store.idempotency();
    assert_eq!(keys.claim(&call("k", "b", 1)).await.unwrap(), Claimed::Other);
    let Claimed::Mine(new) = keys.claim(&call("k", "a", 1)).await.unwrap() else { panic!("it is taken over") };
    assert!(!keys.finish(&old, &answer()).await.unwrap(), "who was taken for dead has lost the right");
    assert_eq!(keys.claim(&call("k", "a", 2)).await.unwrap(), Claimed::Running);
    assert!(keys.finish(&new, &answer()).await.unwrap());
}

async fn many_at_once_get_one_claim(place: Place) {
    let store = place.open().await;
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.idempotency().claim(&call("k", "a", 0)).await.unwrap() })
        })
        .collect();
    let mut mine = 0;
    for task in tasks {
        match task.await.unwrap() {
            Claimed::Mine(_) => mine += 1,
            other => assert_eq!(other, Claimed::Running),
        }
    }
    assert_eq!(mine, 1);
}

fn webhook(id: &str) -> Webhook {
    Webhook {
        id: id.to_owned(),
        url: "https://example.com/hook".to_owned(),
        events: vec!["ready".to_owned()],
        user: None,
        class: None,
        secret: "s3cret".to_owned(),
        enabled: true,
        created_by: "anna".to_owned(),
        created_at: time(0),
    }
}

fn out(webhook: &str, event: &str, at: i64) -> Outcoming {
    let (webhook, event) = (webhook.to_owned(), event.to_owned());
    Outcoming { webhook, event, kind: "ready".to_owned(), at: time(at), body: format!("{{\"n\":{at}}}") }
}

async fn an_event_and_what_is_to_be_said_of_it_are_kept_together(place: Place) {
    let store = place.open().await;
    let hooks = store.webhooks();
    hooks.create(&webhook("w")).await.unwrap();
    assert!(!format!("{:?}", hooks.find("w").await.unwrap()).contains("s3cret"));
    let key = ("anna", "integration");
    assert!(hooks.tell(key, None, Some("one"), &[out("w", "e1", 1)]).await.unwrap());
    assert!(!hooks.tell(key, None, Some("one"), &[out("w", "e1", 1)]).await.unwrap(), "another manager told it");
    assert!(!hooks.tell(key, Some("none"), Some("two"), &[out("w", "e2", 2)]).await.unwrap());
    assert!(hooks.tell(key, Some("one"), Some("two"), &[out("w", "e2", 2), out("w", "e3", 3)]).await.unwrap());
    assert_eq!(hooks.told().await.unwrap(), [("anna".to_owned(), "integration".to_owned(), "two".to_owned())]);
    assert!(hooks.tell(key, Some("two"), None, &[]).await.unwrap());
    let kept = hooks.deliveries("w", None, Order::Newest, None, 10).await.unwrap();
    assert_eq!(kept.iter().map(|d| d.sent.event.as_str()).collect::<Vec<_>>(), ["e3", "e2", "e1"]);
    let behind = hooks.deliveries("w", None, Order::Newest, Some(&kept[0].id), 1).await.unwrap();
    assert_eq!(behind[0].sent.event, "e2");
    assert!(hooks.delete("w").await.unwrap());
    assert!(hooks.deliveries("w", None, Order::Newest, None, 10).await.unwrap().is_empty());
}

const LEASE: Duration = Duration::from_secs(30);

async fn told(store: &Store, all: &[Outcoming]) {
    assert!(store.webhooks().tell(("anna", "integration"), None, None, all).await.unwrap());
}

async fn a_delivery_whose_process_died_is_due_again(place: Place) {
    let store = place.open().await;
    let hooks = store.webhooks();
    hooks.create(&webhook("w")).await.unwrap();
    told(&store, &[out("w", "e1", 1)]).await;
    assert!(hooks.due(time(0), LEASE, 10).await.unwrap().is_empty(), "its time has not come");
    let first = hooks.due(time(1), LEASE, 10).await.unwrap();
    assert_eq!(first[0].delivery.sent, out("w", "e1", 1));
    assert!(hooks.due(time(2), LEASE, 10).await.unwrap().is_empty(), "somebody is at it");
    let second = hooks.due(time(31), LEASE, 10).await.unwrap();
    assert_eq!(second.len(), 1);
    hooks.tried(&first[0], DeliveryState::Dead, time(32), time(32), "late").await.unwrap();
    hooks.tried(&second[0], DeliveryState::Delivered, time(33), time(33), "200").await.unwrap();
    let kept = &hooks.deliveries("w", Some(DeliveryState::Delivered), Order::Newest, None, 10).await.unwrap()[0];
    assert_eq!((kept.attempts, kept.last_said.as_deref(), kept.last_at), (1, Some("200"), Some(time(33))));
    assert_eq!(hooks.forget(time(1)).await.unwrap(), 0);
    assert_eq!(hooks.forget(time(2)).await.unwrap(), 1);
}

async fn a_dead_webhook_does_not_keep_the_others_waiting(place: Place) {
    let store = place.open().await;
    let hooks = store.webhooks();
    for id in ["dead", "live", "off"] {
        hooks.create(&webhook(id)).await.unwrap();
    }
    assert!(hooks.change(&Webhook { enabled: false, ..webhook("off") }).await.unwrap());
    let many: Vec<Outcoming> = (0..50).map(|n| out("dead", &format!("d{n}"), n)).collect();
    told(&store, &many).await;
    told(&store, &[out("live", "l", 60), out("off", "o", 1)]).await;
    let due = hooks.due(time(100), LEASE, 10).await.unwrap();
    let to: Vec<&str> = due.iter().map(|due| due.delivery.sent.webhook.as_str()).collect();
    assert_eq!(to, ["dead", "dead", "live"]);
    assert_eq!(hooks.backlog().await.unwrap(), (52, 0));
}

async fn what_is_given_up_can_be_sent_again(place: Place) {
    let store = place.open().await;
    let hooks = store.webhooks();
    hooks.create(&webhook("w")).await.unwrap();
    told(&store, &[out("w", "e1", 1)]).await;
    let due = hooks.due(time(1), LEASE, 10).await.unwrap();
    hooks.tried(&due[0], DeliveryState::Dead, time(2), time(2), "500").await.unwrap();
    assert_eq!(hooks.backlog().await.unwrap(), (0, 1));
    assert!(hooks.due(time(1000), LEASE, 10).await.unwrap().is_empty());
    let id = &due[0].delivery.id;
    assert!(!hooks.again("other", id, time(5)).await.unwrap(), "it is another webhook's");
    assert!(hooks.again("w", id, time(5)).await.unwrap());
    assert!(!hooks.again("w", id, time(5)).await.unwrap(), "it waits already");
    assert_eq!(hooks.due(time(5), LEASE, 10).await.unwrap()[0].delivery.attempts, 0);
}

async fn use_is_counted_once_and_by_day(place: Place) {
    let store = place.open().await;
    let at = |text: &str| text.parse().unwrap();
    let mut seen = Measured {
        user: "anna".to_owned(),
        class: "integration".to_owned(),
        from: at("2026-11-24T23:59:00Z"),
        to: at("2026-11-25T00:01:00Z"),
        cpu_millicores: 500,
        memory_mib: 256,
    };
    store.usage().add(&seen).await.unwrap();
    store.usage().add(&seen).await.unwrap();
    seen.from = at("2026-11-25T00:00:00Z");
    seen.to = at("2026-11-25T00:02:00Z");
    store.usage().add(&seen).await.unwrap();
    let by_day = UsageFilter { by_day: true, by_user: true, ..UsageFilter::default() };
    let rows = store.usage().sums(&by_day).await.unwrap();
    let told: Vec<_> = rows.iter().map(|r| (r.day.as_str(), r.user.as_str(), r.awake_ms, r.cpu_core_ms)).collect();
    assert_eq!(told, [("2026-11-24", "anna", 60_000, 30_000), ("2026-11-25", "anna", 120_000, 60_000)]);
    assert_eq!(rows[1].memory_mib_ms, 120_000 * 256);
    let other = UsageFilter { user: Some("ben".to_owned()), by_user: true, ..UsageFilter::default() };
    assert!(store.usage().sums(&other).await.unwrap().is_empty());
    let one_day = UsageFilter { from: Some("2026-11-25".parse().unwrap()), ..UsageFilter::default() };
    assert_eq!(store.usage().sums(&one_day).await.unwrap()[0].awake_ms, 120_000);
}
