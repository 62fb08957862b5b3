//! The way of a message from a look at an environment to a receiver, by real connections on loopback.

use super::*;
use crate::model::{Clock, EnvironmentKey};
use crate::store::{Delivery, DeliveryState, Order, Store, StoreUrl, Webhook};
use jiff::Timestamp;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Answers each request with the next of `answers`, the last one for ever, and keeps what it got.
struct Receiver {
    url: String,
    got: Arc<Mutex<Vec<String>>>,
}

impl Receiver {
    async fn start(answers: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let got = Arc::new(Mutex::new(Vec::new()));
        let (kept, answers) = (got.clone(), answers.iter().map(|answer| (*answer).to_owned()).collect::<Vec<_>>());
        tokio::spawn(async move {
            for at in 0.. {
                let (mut stream, _) = listener.accept().await.unwrap();
                let request = read(&mut stream).await;
                kept.lock().unwrap().push(request);
                let answer = answers.get(at).or(answers.last()).unwrap();
                stream.write_all(format!("HTTP/1.1 {answer}\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
            }
        });
        Self { url, got }
    }

    fn got(&self) -> Vec<String> {
        self.got.lock().unwrap().clone()
    }
}

async fn read(stream: &mut tokio::net::TcpStream) -> String {
    let mut request = String::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).await.unwrap();
        request.push_str(&String::from_utf8_lossy(&buffer[..read]));
        let Some((head, body)) = request.split_once("\r\n\r\n") else { continue };
        let length = field_of(head, "content-length").parse::<usize>().unwrap();
        if body.len() >= length || read == 0 {
            return request;
        }
    }
}

fn field_of(head: &str, name: &str) -> String {
    let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")));
    line.map(|line| line[name.len() + 1..].trim().to_owned()).unwrap_or_default()
}

struct Setting {
    store: Store,
    clock: Clock,
    news: watch::Sender<u64>,
    end: CancellationToken,
    _folder: tempfile::TempDir,
}

fn key() -> EnvironmentKey {
    EnvironmentKey::new("haimaz".parse().unwrap(), "integration".parse().unwrap())
}

fn ready() -> Seen {
    Seen { uid: "1".to_owned(), ready: true, url: Some("https://front.example.com".to_owned()), ..Seen::default() }
}

impl Setting {
    /// A worker that may send to `allowed`, gives up after three tries, and has one webhook at `url`.
    async fn start(url: &str, allowed: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&StoreUrl::in_folder(folder.path())).await.unwrap();
        let clock = Clock::held("2026-11-25T08:00:00Z".parse().unwrap());
        let (news, end) = (watch::Sender::new(0), CancellationToken::new());
        let allowed = Allowed(allowed.split_whitespace().map(|network| network.parse().unwrap()).collect());
        let config = WorkerConfig {
            store: store.clone(),
            sender: Sender::new(allowed).unwrap(),
            schedule: Schedule { attempts: 3, ..Schedule::default() },
            clock: clock.clone(),
            pause: Duration::from_millis(20),
        };
        let webhook = Webhook {
            id: "w".to_owned(),
            url: url.to_owned(),
            events: vec!["ready".to_owned(), "deleted".to_owned()],
            user: None,
            class: None,
            secret: Secret::random().unwrap().reveal(),
            enabled: true,
            created_by: "test".to_owned(),
            created_at: Timestamp::UNIX_EPOCH,
        };
        store.webhooks().create(&webhook).await.unwrap();
        tokio::spawn(Worker::new(config, news.subscribe()).run(end.clone()));
        Self { store, clock, news, end, _folder: folder }
    }

    async fn look(&self, told: &mut Told, now: Option<&Seen>) -> usize {
        let happened = publish(&self.store, told, &key(), now, self.clock.now()).await.unwrap();
        self.news.send_modify(|count| *count += 1);
        happened
    }

    /// Waits until the only delivery is as `wanted` says. Time passes meanwhile.
    async fn until(&self, wanted: impl Fn(&Delivery) -> bool) -> Delivery {
        let wait = async {
            loop {
                let all = self.store.webhooks().deliveries("w", None, Order::Newest, None, 10).await.unwrap();
                if let [only] = all.as_slice()
                    && wanted(only)
                {
                    return only.clone();
                }
                self.clock.advance(Duration::from_secs(5));
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), wait).await.expect("the delivery in time")
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

#[tokio::test]
async fn a_message_is_signed_and_sent_again_with_the_same_name_until_it_is_taken() {
    let receiver = Receiver::start(&["500 Oops", "503 Busy\r\nretry-after: 60", "204 Thanks"]).await;
    let setting = Setting::start(&receiver.url, "127.0.0.0/8").await;
    let mut told = Told::load(&setting.store).await.unwrap();
    assert_eq!(setting.look(&mut told, Some(&ready())).await, 2, "created, which nobody asked for, and ready");
    let done = setting.until(|delivery| delivery.state == DeliveryState::Delivered).await;
    assert_eq!((done.attempts, done.last_said.as_deref()), (3, Some("204 No Content")));
    let got = receiver.got();
    assert_eq!(got.len(), 3);
    let webhook = setting.store.webhooks().find("w").await.unwrap().unwrap();
    for request in &got {
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let (id, second) = (field_of(head, "webhook-id"), field_of(head, "webhook-timestamp"));
        assert_eq!(id, done.sent.event);
        let signature = Secret::read(&webhook.secret).unwrap().sign(&id, second.parse().unwrap(), body);
        assert_eq!(field_of(head, "webhook-signature"), signature);
        let message: Message = serde_json::from_str(body).unwrap();
        assert_eq!((message.kind.as_str(), message.data.user.as_str()), ("environment.ready", "haimaz"));
        assert!(!request.contains("whsec_"));
    }
}

#[tokio::test]
async fn what_is_never_taken_is_given_up_and_can_be_sent_again() {
    let receiver =
        Receiver::start(&["500 A", "500 B", "302 Elsewhere\r\nlocation: http://127.0.0.1:1/", "200 OK"]).await;
    let setting = Setting::start(&receiver.url, "127.0.0.0/8").await;
    let mut told = Told::load(&setting.store).await.unwrap();
    setting.look(&mut told, Some(&ready())).await;
    let dead = setting.until(|delivery| delivery.state == DeliveryState::Dead).await;
    assert_eq!(dead.attempts, 3);
    assert!(dead.last_said.unwrap().contains("redirects are not followed"));
    assert!(setting.store.webhooks().again("w", &dead.id, setting.clock.now()).await.unwrap());
    setting.until(|delivery| delivery.state == DeliveryState::Delivered).await;
    assert_eq!(receiver.got().len(), 4);
}

#[tokio::test]
async fn an_address_that_is_not_allowed_gets_nothing() {
    let receiver = Receiver::start(&["200 OK"]).await;
    let setting = Setting::start(&receiver.url, "").await;
    let mut told = Told::load(&setting.store).await.unwrap();
    setting.look(&mut told, Some(&ready())).await;
    let dead = setting.until(|delivery| delivery.state == DeliveryState::Dead).await;
    assert!(dead.last_said.unwrap().contains("is a loopback address"));
    // A name that resolves to loopback is found out when the connection is made.
    let named = receiver.url.replace("http://127.0.0.1", "https://localhost");
    let setting = Setting::start(&named, "10.0.0.0/8").await;
    let mut told = Told::load(&setting.store).await.unwrap();
    setting.look(&mut told, Some(&ready())).await;
    let waiting = setting.until(|delivery| delivery.attempts > 0).await;
    assert!(waiting.last_said.as_deref().unwrap().contains("is a loopback address"), "{waiting:?}");
    assert!(receiver.got().is_empty());
}

#[tokio::test]
async fn what_happened_while_no_manager_ran_is_told_once() {
    let receiver = Receiver::start(&["200 OK"]).await;
    let setting = Setting::start(&receiver.url, "127.0.0.0/8").await;
    let mut told = Told::load(&setting.store).await.unwrap();
    let asleep = Seen { ready: false, asleep: true, ..ready() };
    setting.look(&mut told, Some(&asleep)).await;
    // The next manager knows what was told, and another one at the same time tells nothing twice.
    let (mut one, mut other) = (Told::load(&setting.store).await.unwrap(), Told::load(&setting.store).await.unwrap());
    assert_eq!(one.keys(), [key()]);
    assert_eq!(setting.look(&mut one, None).await, 1);
    assert_eq!(setting.look(&mut other, None).await, 0);
    let done = setting.until(|delivery| delivery.state == DeliveryState::Delivered).await;
    assert_eq!(done.sent.kind, "deleted");
    assert!(Told::load(&setting.store).await.unwrap().keys().is_empty());
}
