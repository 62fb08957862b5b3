//! A manager that is killed after so many writes while environments fall asleep, wake, are rolled over to a changed class, and
//! expire: the next one goes on from there, and whoever is told by a webhook is told of each thing once.

use super::site::{CLASS, Call, Site};
use super::zone::Provider;
use crate::support::receiver::{Messages, receiver};
use crate::support::wait_for;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// After so many writes of a step the manager is killed. A step has some fifteen at most.
const MOMENTS: [usize; 10] = [1, 2, 3, 4, 5, 6, 8, 10, 12, 14];

faults! {
    fn a_manager_killed_within_sleep_wake_roll_out_or_expiry_goes_on_and_each_is_told_once() {
        let began = Instant::now();
        let mut site = Site::start(Provider::Bind);
        let foreign = site.zone.records();
        let (url, messages) = receiver();
        let subscribed = site.ask("POST", "/webhooks", &json!({"url": url}).to_string(), "subscribe").expect("an answer");
        assert_eq!(subscribed.0, 201, "{}", subscribed.1);
        site.class(&json!({"rollout": {"maxInFlight": 1}}));
        let mut seen: [BTreeSet<String>; 4] = Default::default();
        let (mut users, mut kills) = (Vec::new(), 0);
        for after in MOMENTS {
            let pair = [format!("a{after}"), format!("b{after}")];
            let sprung = lived(&mut site, after, &pair, &mut seen);
            users.extend(pair);
            kills += sprung.iter().filter(|sprung| **sprung).count();
        }
        site.nothing_is_left();
        assert_eq!(site.zone.records(), foreign, "only the foreign records are left");
        let told = each_is_told_once(&messages, &users);
        let records = site.end();
        println!("killed {kills} times in {:?}; {told} messages and {records} records of the audit", began.elapsed());
        for (name, writes) in ["sleep", "wake", "roll-out", "expiry"].iter().zip(&seen) {
            println!("{name}: {}", writes.iter().map(String::as_str).collect::<Vec<_>>().join(", "));
        }
    }

    fn a_manager_that_takes_over_tells_how_far_a_roll_out_is_though_no_environment_changes_any_more() {
        let mut site = Site::start(Provider::Bind);
        site.call(0, &Call::Api("PUT", "/environments/anna/integration", &deploy()), &mut BTreeSet::new(), &|site| {
            site.is_ready("anna", "first")
        });
        let is_done = |site: &Site| {
            let class = class(site);
            let rollout = &class["status"]["rollout"];
            if rollout["done"] == 1 && rollout["inFlight"] == 0 { Ok(()) } else { Err(rollout.to_string()) }
        };
        wait_for("the end of the roll-out", || is_done(&site));
        // As one leaves it that dies when the last environment is done and the class does not tell it yet.
        site.without_manager(|site| {
            let stale = json!({"status": {"rollout": {"done": 0, "inFlight": 1}}}).to_string();
            site.kubectl(&["patch", "environmentclass", CLASS, "--subresource=status", "--type", "merge", "-p", &stale]);
            is_done(site).unwrap_err();
        });
        wait_for("how far the roll-out is", || is_done(&site));
    }
}

fn deploy() -> String {
    json!({"parameters": {"TAG_FRONT": "first", "TAG_ASSETS": "1", "VERSION": "1.0.0"}}).to_string()
}

/// Two environments from their making to their end; gives in which steps the manager was killed.
fn lived(site: &mut Site, after: usize, pair: &[String; 2], seen: &mut [BTreeSet<String>; 4]) -> [bool; 4] {
    for user in pair {
        let path = format!("/environments/{user}/{CLASS}");
        let ready = |site: &Site| site.is_ready(user, "first");
        site.call(0, &Call::Api("PUT", &path, &deploy()), &mut BTreeSet::new(), &ready);
    }
    let sleeper = &pair[0];
    let [sleep, wake] = ["sleep", "wake"].map(|verb| format!("/environments/{sleeper}/{CLASS}:{verb}"));
    let slept = site.call(after, &Call::Api("POST", &sleep, ""), &mut seen[0], &|site| is_asleep(site, sleeper));
    let woken = site.call(after, &Call::Api("POST", &wake, ""), &mut seen[1], &|site| site.is_ready(sleeper, "first"));
    let round = after.to_string();
    let changed = json!({"local": {"env": [{"name": "ROUND", "value": round}]}});
    let rolled = site.call(after, &Call::Class(&changed), &mut seen[2], &|site| is_rolled_over(site, pair, &round));
    for user in pair {
        site.is_once(user);
        assert_eq!(deployment(site, user)["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "2");
    }
    // Both are older than that: they are warned first, and end right after.
    let short = json!({"life": {"max": "2s", "warnings": ["1s"]}});
    let expired = site.call(after, &Call::Class(&short), &mut seen[3], &|site| {
        pair.iter().try_for_each(|user| site.is_gone(user))?;
        let class = class(site);
        let graves = &class["status"]["expired"];
        let buried = pair.iter().all(|user| graves[format!("default/{user}-{CLASS}")].is_object());
        if buried { Ok(()) } else { Err(graves.to_string()) }
    });
    site.class(&json!({"life": null}));
    [slept, woken, rolled, expired]
}

fn is_asleep(site: &Site, user: &str) -> Result<(), String> {
    let found = site.environment(user);
    let asleep = found.as_ref().is_some_and(|(_, it)| it["reason"] == "Asleep" && it["life"]["phase"] == "Asleep");
    let pods = site.kubectl(&["get", "pods", "-l", &format!("doorstep.dev/user={user}"), "-o", "name"]);
    if asleep && pods.is_empty() { site.zone.has(user, Some(site.target)) } else { Err(format!("{found:?} {pods}")) }
}

/// Whether the class says that all is done, and each environment serves by it.
fn is_rolled_over(site: &Site, users: &[String; 2], round: &str) -> Result<(), String> {
    let class = class(site);
    let rollout = &class["status"]["rollout"];
    let is_done = rollout["generation"] == class["metadata"]["generation"] && rollout["done"] == 2;
    if !is_done || rollout["stopped"] == true {
        return Err(rollout.to_string());
    }
    users.iter().try_for_each(|user| {
        let deployment = deployment(site, user);
        let env = &deployment["spec"]["template"]["spec"]["containers"][0]["env"];
        let has = env.as_array().into_iter().flatten().any(|it| it["name"] == "ROUND" && it["value"] == round);
        if has { site.is_ready(user, "first") } else { Err(env.to_string()) }
    })
}

fn class(site: &Site) -> Value {
    serde_json::from_str(&site.kubectl(&["get", "environmentclass", CLASS, "-o", "json"])).unwrap()
}

fn deployment(site: &Site, user: &str) -> Value {
    let name = format!("{user}-{CLASS}-deployment");
    serde_json::from_str(&site.kubectl(&["get", "deployment", &name, "-o", "json"])).unwrap()
}

/// Waits until all was told that has to be, and looks that nothing was told twice. A message may be sent again, and has the same id
/// then. Gives how many messages there were.
fn each_is_told_once(messages: &Messages, users: &[String]) -> usize {
    let once = ["created", "warned", "expired", "deleted"];
    let of_sleepers = ["asleep", "woken"];
    let due = |user: &str, kind: &str| once.contains(&kind) || (user.starts_with('a') && of_sleepers.contains(&kind));
    let told = || -> BTreeMap<(String, String), BTreeSet<String>> {
        let mut told: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
        for message in messages.all() {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let kind = text(&message["type"]).replace("environment.", "");
            told.entry((text(&message["data"]["user"]), kind)).or_default().insert(text(&message["id"]));
        }
        told
    };
    wait_for("all messages", || {
        let told = told();
        let has = |user: &str, kind: &str| told.contains_key(&(user.to_owned(), kind.to_owned()));
        let all = users.iter().flat_map(|user| once.into_iter().chain(of_sleepers).map(move |kind| (user, kind)));
        let missing: Vec<_> = all.filter(|(user, kind)| due(user, kind) && !has(user, kind)).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("{missing:?}")) }
    });
    for ((user, kind), ids) in told() {
        let bound = once.contains(&kind.as_str()) || of_sleepers.contains(&kind.as_str()) || kind == "failed";
        assert!(!bound || (due(&user, &kind) && ids.len() == 1), "{user} {kind}: {ids:?}");
    }
    told().values().map(BTreeSet::len).sum()
}
