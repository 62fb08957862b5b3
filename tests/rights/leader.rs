//! Of two managers one acts, whatever is done to it.

use super::setting::{Running, Setting};
use crate::harness::{signal, wait_for};

/// What an operator writes, by the versions of it.
const WRITTEN: &str =
    "environment/haimaz-integration deployment/haimaz-integration-deployment service/haimaz-integration";

pub fn never_do_two_managers_act() {
    let setting = Setting::start("default", &[]);
    let first = setting.manager(&[]);
    leads(&first);
    let second = setting.manager(&[]);
    wait_for("the second manager to follow", || match second.readyz() {
        told if told.contains("leader: ") && !told.contains("leader: this") && !told.contains("not known") => Ok(()),
        told => Err(told),
    });
    // The API is served by the one that does not act, too.
    deploy(&second, "1.4.2");
    // Stopped in the middle of its work, it loses the Lease without knowing.
    signal(first.pid(), "STOP");
    leads(&second);
    deploy(&second, "1.4.3");
    let before = versions(&setting);
    signal(first.pid(), "CONT");
    wait_for("the first manager to see that it does not lead", || {
        let (told, metrics) = (first.readyz(), first.page("/metrics"));
        let stepped_down = told.contains("leader: ") && !told.contains("leader: this") && !told.contains("not known");
        if stepped_down && metrics.contains("doorstep_leader 0") { Ok(()) } else { Err(told) }
    });
    assert_eq!(versions(&setting), before, "the one that woke up wrote: {}", first.log());
    assert!(first.log().contains("this manager leads no more"), "{}", first.log());
    // Given back at a clean end, and taken after a silence when it was killed.
    second.stop();
    leads(&first);
    let third = setting.manager(&[]);
    first.kill();
    leads(&third);
    deploy(&third, "1.4.4");
    third.stop();
    assert_eq!(setting.get("lease/doorstep-manager", "{.spec.holderIdentity}"), "", "the lease was not given back");
}

pub fn leads(manager: &Running) {
    wait_for("leadership", || match manager.readyz() {
        told if told.contains("leader: this manager") && manager.page("/metrics").contains("doorstep_leader 1") => {
            Ok(())
        }
        told => Err(told),
    });
}

fn deploy(manager: &Running, tag: &str) {
    let tag = format!("TAG_FRONT={tag}");
    let parameters = ["-p", &tag, "-p", "TAG_ASSETS=7", "-p", "VERSION=3.1.0", "--wait"];
    manager.cli_ok(&[&["env", "deploy", "integration", "--user", "haimaz"], &parameters[..]].concat());
}

/// The versions of the objects once nobody writes them any more: controllers finish a roll-out after it is ready.
fn versions(setting: &Setting) -> Vec<String> {
    let read =
        || WRITTEN.split(' ').map(|object| setting.get(object, "{.metadata.resourceVersion}")).collect::<Vec<_>>();
    let (mut last, mut same) = (read(), 0);
    wait_for("objects that stay as they are", || {
        let now = read();
        same = if now == last { same + 1 } else { 0 };
        last.clone_from(&now);
        if same == 5 { Ok(now) } else { Err(format!("{now:?}")) }
    })
}
