//! Deploys of the environment under load, and a manager that dies among them: controllers, manager and node are all real.

use crate::support::{Doorstep, Program, Wrk, signal, wait_for};
use crate::world::LONG_SECONDS;
use std::time::Instant;

const HOST: &str = "fronthaimaz.int.localhost";

faults! {
    fn fifty_roll_outs_with_one_replica_fail_no_request() {
        let doorstep = Doorstep::start();
        let url = doorstep.deploy("haimaz", "integration", "first");
        let load = Wrk::start(doorstep.http, HOST, LONG_SECONDS);
        let began = Instant::now();
        for number in 1..=50 {
            let tag = format!("next-{number}");
            doorstep.deploy("haimaz", "integration", &tag);
            let page = doorstep.curl(&[&url]);
            assert!(page.contains(&tag), "--wait ended before the new tag answered: {page}");
        }
        let requests = load.stop().without_failure();
        println!("50 roll-outs in {:?}: {requests} requests, 0 failed", began.elapsed());
        doorstep.stop();
    }

    fn a_manager_killed_and_replaced_among_deploys_fails_no_request() {
        let mut doorstep = Doorstep::start();
        let url = doorstep.deploy("haimaz", "integration", "first");
        let load = Wrk::start(doorstep.http, HOST, LONG_SECONDS);
        let mut spares = vec![manager(&doorstep, 0)];
        for round in 1..=3 {
            // The one that leads dies in the middle of a deploy; the one that stands by ends it.
            let tag = format!("next-{round}");
            let patch = format!(r#"{{"spec":{{"parameters":{{"TAG_FRONT":"{tag}"}}}}}}"#);
            doorstep.kubectl_ok(&["patch", "environment", "haimaz-integration", "--type=merge", "-p", &patch]);
            let leader = oldest_manager(&doorstep);
            signal(leader, "KILL");
            let killed = Instant::now();
            wait_for("the new tag, by the other manager", || match doorstep.curl(&[&url]) {
                page if page.contains(&tag) => Ok(()),
                page => Err(page),
            });
            wait_for("the word that it is ready", || {
                let path = r#"jsonpath={.status.conditions[?(@.type=="Ready")].status}"#;
                match doorstep.kubectl_ok(&["get", "environment", "haimaz-integration", "-o", path]) {
                    status if status == "True" => Ok(()),
                    status => Err(status),
                }
            });
            println!("manager {round} was killed among a deploy, which was done {:?} later", killed.elapsed());
            spares.push(manager(&doorstep, round));
        }
        let requests = load.stop().without_failure();
        println!("{requests} requests, 0 failed");
        doorstep.kill();
    }
}

/// One more manager of the same cluster, in a folder of its own.
fn manager(doorstep: &Doorstep, number: usize) -> Program {
    let folder = doorstep.folder.join(format!("manager-{number}"));
    std::fs::create_dir(&folder).unwrap();
    let kubeconfig = doorstep.folder.join("kubeconfig").to_string_lossy().into_owned();
    let arguments = ["--kubeconfig", &kubeconfig, "--api", "127.0.0.1:0", "--local-commands"];
    let mut manager = Program::start("manager", &folder, &folder.join("log"), arguments);
    manager.addresses();
    manager
}

/// The process id of the manager that leads: the one that has been there for longest.
fn oldest_manager(doorstep: &Doorstep) -> u32 {
    let of_managers = |(pid, line): (u32, String)| line.contains(" manager ").then_some(pid);
    doorstep.processes().into_iter().filter_map(of_managers).min().expect("a manager")
}
