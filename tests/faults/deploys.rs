//! Deploys of the environment under load, and a manager that dies among them: controllers, manager and node are all real.

use crate::support::{Doorstep, Program, Wrk, signal, wait_for};
use crate::world::LONG_SECONDS;
use std::path::Path;
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

    fn a_manager_killed_and_replaced_fails_no_request_and_loses_no_deploy() {
        let mut doorstep = Doorstep::start();
        let url = doorstep.deploy("haimaz", "integration", "first");
        let load = Wrk::start(doorstep.http, HOST, LONG_SECONDS);
        let mut spares = vec![manager(&doorstep, 0)];
        for round in 1..=3 {
            // The one that leads dies just before a deploy is asked for; the one that stands by does it.
            let tag = format!("next-{round}");
            let patch = format!(r#"{{"spec":{{"parameters":{{"TAG_FRONT":"{tag}"}}}}}}"#);
            let leader = leader(&doorstep);
            signal(leading_process(&doorstep, &leader), "KILL");
            let killed = Instant::now();
            doorstep.kubectl_ok(&["patch", "environment", "haimaz-integration", "--type=merge", "-p", &patch]);
            wait_for("the new tag, by the other manager", || match doorstep.curl(&[&url]) {
                page if page.contains(&tag) => Ok(()),
                page => Err(page),
            });
            wait_for("the word that it is ready", || {
                let path = r#"jsonpath={.metadata.generation} {.status.conditions[?(@.type=="Ready")]}"#;
                let said = doorstep.kubectl_ok(&["get", "environment", "haimaz-integration", "-o", path]);
                let (generation, condition) = said.split_once(' ').unwrap_or_default();
                let condition: serde_json::Value = serde_json::from_str(condition).unwrap_or_default();
                let of_this = condition["observedGeneration"].as_i64() == generation.parse().ok();
                if of_this && condition["status"] == "True" { Ok(()) } else { Err(said) }
            });
            wait_for("another leader", || match self::leader(&doorstep) {
                other if other != leader => Ok(()),
                same => Err(same),
            });
            println!("manager {round} was killed; the deploy asked for just then was done {:?} later", killed.elapsed());
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
    // The Lease lies in the namespace of the first one's account, and this one's kubeconfig names another namespace.
    let lease = ["--lease", "doorstep/doorstep-manager"];
    let own = ["--kubeconfig", &kubeconfig, "--api", "127.0.0.1:0", "--local-commands"];
    let arguments = own.into_iter().chain(lease);
    let mut manager = Program::start("manager", &folder, &folder.join("log"), arguments);
    manager.addresses();
    manager
}

/// Who leads, by its own name.
fn leader(doorstep: &Doorstep) -> String {
    doorstep.kubectl_ok(&[
        "get",
        "leases",
        "-n",
        "doorstep",
        "doorstep-manager",
        "-o",
        "jsonpath={.spec.holderIdentity}",
    ])
}

/// The process id of the manager that leads: it has told its name in its log.
fn leading_process(doorstep: &Doorstep, leader: &str) -> u32 {
    let leads = |(pid, line): (u32, String)| {
        let (_, arguments) = line.split_once(" manager --data ")?;
        let data = Path::new(arguments.split(' ').next()?);
        let log = if data == doorstep.folder { data.join("doorstep.log") } else { data.join("log") };
        let text = std::fs::read_to_string(log).ok()?;
        text.lines().any(|line| line.contains("this manager leads") && line.contains(leader)).then_some(pid)
    };
    doorstep.processes().into_iter().find_map(leads).expect("the manager that leads")
}
