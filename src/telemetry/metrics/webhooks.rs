//! Webhooks.

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};

const WEBHOOK_BACKLOG: &str = "doorstep_webhook_backlog";
const WEBHOOK_TRIES: &str = "doorstep_webhook_tries_total";

pub(super) fn describe() {
    describe_gauge!(WEBHOOK_BACKLOG, Unit::Count, "Messages of webhooks that wait, or were given up, by state");
    describe_counter!(WEBHOOK_TRIES, Unit::Count, "Tries to deliver a message of a webhook, by what it is afterwards");
}

/// How many messages wait, and how many were given up.
pub fn webhook_backlog(waiting: i64, dead: i64) {
    gauge!(WEBHOOK_BACKLOG, "state" => "waiting").set(waiting as f64);
    gauge!(WEBHOOK_BACKLOG, "state" => "dead").set(dead as f64);
}

/// A message was tried; it is `state` afterwards.
pub fn webhook_tried(state: &'static str) {
    counter!(WEBHOOK_TRIES, "state" => state).increment(1);
}
