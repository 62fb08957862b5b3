//! Both roles on a real control plane under the chart's RBAC, whole and with each single rule taken away.
//!
//! Each test runs in namespaces of its own. The control plane's programs and helm are installed by `tests/run`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    reason = "a test fails by panicking"
)]

#[path = "../support/mod.rs"]
mod harness;
mod leader;
mod setting;

use doorstep::cluster::rights::{Need, Place, RIGHTS, Right};
use harness::namespace;
use serde_json::Value;
use setting::Setting;

/// Runs `test` in namespaces of its own: this program once more, for this one test.
fn in_a_namespace(name: &str, test: impl FnOnce()) {
    if namespace::is_inside() {
        return test();
    }
    let _turn = harness::alone();
    let status =
        namespace::command().args(["--exact", name, "--nocapture"]).status().expect("tests/cluster/enter runs");
    assert!(status.success(), "{name} failed in its namespaces; its words are above");
}

#[test]
fn the_rules_of_the_chart_are_enough_for_all_that_the_roles_do() {
    in_a_namespace("the_rules_of_the_chart_are_enough_for_all_that_the_roles_do", || {
        does_everything(&Setting::start("default", &[]), &[], &[]);
    });
}

#[test]
fn never_do_two_managers_act() {
    in_a_namespace("never_do_two_managers_act", leader::never_do_two_managers_act);
}

#[test]
fn one_namespace_needs_no_right_in_another_one() {
    in_a_namespace("one_namespace_needs_no_right_in_another_one", || {
        let setting = Setting::start("team", &["--set", "namespaced=true,namespace=team"]);
        let roles = setting.control_plane.kubectl_ok(&["get", "clusterroles", "-o", "json", "-l", setting::OURS]);
        let roles: Value = serde_json::from_str(&roles).unwrap();
        for rule in roles["items"].as_array().unwrap().iter().flat_map(|role| role["rules"].as_array().unwrap()) {
            assert!(rule["resources"][0].as_str().unwrap().contains("class"), "a right in all namespaces: {rule}");
        }
        let gateway = ["--namespace", "team"];
        let manager = ["--namespace", "team", "--namespaced"];
        does_everything(&setting, &gateway, &manager);
        the_gateways_rule_is_named(&setting, &manager);
    });
}

/// The gateways' Service is not in the one namespace that is looked at; its pods are known by a rule of its own.
fn the_gateways_rule_is_named(setting: &Setting, for_manager: &[&str]) {
    let roles = setting.roles();
    let is_gateways = |role: &&Value| role["metadata"]["name"].as_str().is_some_and(|name| name.ends_with("-gateways"));
    let role = roles.iter().find(is_gateways).expect("a Role for the gateways' slices");
    let manager =
        || setting.manager(&[for_manager, &["--gateway", "default/rights-doorstep-gateway-admin:9090"]].concat());
    let sentences = [
        "may not list endpointslices.discovery.k8s.io in the namespace default; it is not known which gateways there are",
        "may not get services in the namespace default; Ingresses do not tell the gateway's address",
    ];
    assert_eq!(role["rules"].as_array().unwrap().len(), sentences.len(), "{role}");
    for (at, sentence) in sentences.into_iter().enumerate() {
        setting.without(role, at, || {
            let manager = manager();
            harness::wait_for(sentence, || match manager.readyz() {
                told if told.contains(sentence) => Ok(()),
                told => Err(told),
            });
            manager.stop();
        });
    }
    let manager = manager();
    leader::leads(&manager);
    assert!(!manager.readyz().contains("missing right"), "{}", manager.readyz());
    manager.stop();
}

/// A deployment and all that people do with it, without any refusal.
fn does_everything(setting: &Setting, for_gateway: &[&str], for_manager: &[&str]) {
    let gateway = setting.gateway(for_gateway);
    let manager = setting.manager(for_manager);
    let parameters = ["-p", "TAG_FRONT=1.4.2", "-p", "TAG_ASSETS=7", "-p", "VERSION=3.1.0", "--wait"];
    manager.cli_ok(&[&["env", "deploy", "integration", "--user", "haimaz"], &parameters[..]].concat());
    let url = format!("http://{}/", gateway.address("http"));
    let page = harness::wait_for("the page", || {
        let answer = harness::curl().args(["-H", "Host: fronthaimaz.int.localhost", &url]).output().unwrap();
        let (page, _) = harness::texts(&answer);
        if page.contains("1.4.2") { Ok(page) } else { Err(page) }
    });
    assert!(page.contains("TAG_FRONT: 1.4.2"), "{page}");
    for command in ["show", "pods", "logs"] {
        manager.cli_ok(&["env", command, "integration", "--user", "haimaz"]);
    }
    // Events and revisions beyond the first, and the report on a Service that claims a host of somebody else's.
    for tag in ["TAG_FRONT=1.4.3", "TAG_FRONT=1.4.4"] {
        let parameters = ["-p", tag, "-p", "TAG_ASSETS=7", "-p", "VERSION=3.1.0", "--wait"];
        manager.cli_ok(&[&["env", "deploy", "integration", "--user", "haimaz"], &parameters[..]].concat());
    }
    setting.thief();
    harness::wait_for("the report on the Service", || {
        let conditions = setting.get("service/thief", "{.status.conditions[*].message}");
        if conditions.contains("fronthaimaz") { Ok(()) } else { Err(conditions) }
    });
    manager.cli_ok(&["env", "delete", "integration", "--user", "haimaz", "--yes", "--wait"]);
    for role in [&gateway, &manager] {
        let told = role.readyz();
        assert!(!told.contains("missing right"), "{told}");
        let log = role.log();
        assert!(!log.contains("forbidden") && !log.contains("may not"), "{log}");
    }
    assert!(manager.readyz().contains("leader: this manager"), "{}", manager.readyz());
    for role in [gateway, manager] {
        role.stop();
    }
}

#[test]
fn each_rule_that_is_taken_away_is_named() {
    in_a_namespace("each_rule_that_is_taken_away_is_named", || {
        let setting = Setting::start("default", &["--set", "manager.identity.kubernetes.audiences={doorstep}"]);
        setting.unfinished_environment();
        let mut taken = 0;
        for role in setting.roles() {
            for at in 0..role["rules"].as_array().unwrap().len() {
                let rule = &role["rules"][at];
                let right = right_of(&role, rule);
                setting.without(&role, at, || is_named(&setting, right));
                println!("taken away and named: {} {}", role["metadata"]["name"], rule);
                taken += 1;
            }
        }
        // Who looks at all namespaces sees those of the gateways by that.
        let always = RIGHTS.iter().filter(|right| right.place != Place::Gateways);
        assert_eq!(taken, always.count(), "each right is one rule");
    });
}

/// The right from which a rule was made.
fn right_of(role: &Value, rule: &Value) -> &'static Right {
    let of = if role["metadata"]["labels"]["app.kubernetes.io/component"] == "gateway" { "gateway" } else { "manager" };
    let verbs = |right: &Right| right.verbs.iter().map(|verb| Value::from(verb.as_str())).collect::<Vec<_>>();
    let found = RIGHTS.iter().find(|right| {
        right.role.as_str() == of
            && rule["apiGroups"][0] == right.group
            && rule["resources"][0] == right.resource
            && *rule["verbs"].as_array().unwrap() == verbs(right)
    });
    found.unwrap_or_else(|| panic!("no right is {rule}"))
}

/// A fresh process of the role says what it lacks: on its page, in its log and its metrics, and on the objects concerned.
fn is_named(setting: &Setting, right: &Right) {
    let role = match right.role.as_str() {
        "gateway" => setting.gateway(&[]),
        _ => setting.manager(&["--identity", &setting.identity()]),
    };
    for verb in right.verbs.iter().map(|verb| verb.as_str()) {
        let group = if right.group.is_empty() { String::new() } else { format!(".{}", right.group) };
        let sentence = format!("the ServiceAccount may not {verb} {}{group}", right.resource);
        harness::wait_for(&sentence, || {
            let told = role.readyz();
            if told.contains(&sentence) && told.contains(right.without) { Ok(()) } else { Err(told) }
        });
        harness::wait_for("the log line", || if role.log().contains(&sentence) { Ok(()) } else { Err(role.log()) });
        let metrics = role.page("/metrics");
        let wanted = format!("resource=\"{}\",verb=\"{verb}\"}} 1", right.resource);
        assert!(
            metrics.lines().any(|line| line.starts_with("doorstep_missing_rights{") && line.ends_with(&wanted)),
            "{metrics}"
        );
    }
    // Who cannot lead tells nothing on objects.
    if right.role.as_str() == "manager" && right.need == Need::Blocks && right.place != Place::Lease {
        is_told_on_objects(setting, right);
        let parameters = ["-p", "TAG_FRONT=1", "-p", "TAG_ASSETS=7", "-p", "VERSION=3.1.0"];
        let said = role.cli_fails(&[&["env", "deploy", "integration", "--user", "other"], &parameters[..]].concat());
        assert!(said.contains("may not") && said.contains(right.resource), "{said}");
    }
    role.stop();
}

/// The condition of the environment, or of the class where that one cannot be read or written.
fn is_told_on_objects(setting: &Setting, right: &Right) {
    let condition = "{.status.conditions[?(@.type==\"Ready\")]}";
    // Without the classes, nothing is left to be told on but the environment; without environments, the classes.
    harness::wait_for(&format!("a condition that names {}", right.resource), || {
        let told = [
            setting.get("environment/haimaz-integration", condition),
            setting.get("environmentclass/integration", condition),
        ];
        let names = |told: &String| told.contains("MissingRight") && told.contains(right.resource);
        if told.iter().any(names) { Ok(()) } else { Err(told.join("\n")) }
    });
}
