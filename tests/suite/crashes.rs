//! What `kill -9` leaves: of a pod, and of Doorstep itself.

use crate::harness::{Doorstep, alone, signal, wait_for};

#[test]
fn a_killed_pod_is_back_and_its_restart_is_counted() {
    let doorstep = Doorstep::start();
    let url = doorstep.deploy("haimaz", "integration", "1");
    let fronts = || -> Vec<u32> {
        let all = doorstep.processes();
        all.into_iter().filter(|(_, line)| line.contains("sample-front")).map(|(pid, _)| pid).collect()
    };
    let before = wait_for("one front end", || match fronts()[..] {
        [pid] => Ok(pid),
        ref other => Err(format!("{other:?}")),
    });
    signal(before, "KILL");
    // Until it is back, every answer is either the page or says why there is none.
    wait_for("the page again, by another process", || {
        let answer = doorstep.curl(&["-i", &url]);
        let status = answer.split_whitespace().nth(1).unwrap_or_default();
        match status {
            "200" if fronts().first().is_some_and(|pid| *pid != before) => Ok(()),
            "200" => Err("the old page".to_owned()),
            "502" | "503" => {
                assert!(answer.contains("application/problem+json") && answer.contains("\"detail\""), "{answer}");
                Err(answer)
            }
            _ => panic!("an answer that says nothing: {answer}"),
        }
    });
    let pods = doorstep.api("/environments/haimaz/integration/pods");
    assert_eq!(pods["items"][0]["restarts"], 1, "{pods}");
    doorstep.stop();
}

#[test]
fn doorstep_killed_among_fifty_deploys_loses_no_acknowledged_one_and_leaves_no_process() {
    let _turn = alone();
    let folder = tempfile::tempdir().unwrap();
    let mut doorstep = Doorstep::start_in(folder.path(), &[]);
    let parameters = ["-p", "TAG_FRONT=1", "-p", "TAG_ASSETS=1", "-p", "VERSION=1"];
    let acknowledged: Vec<String> = std::thread::scope(|scope| {
        let deploys: Vec<_> = (0..50)
            .map(|number| {
                let doorstep = &doorstep;
                scope.spawn(move || {
                    let user = format!("user{number}");
                    let arguments = [&["env", "deploy", "integration", "--user", &user], &parameters[..]].concat();
                    doorstep.cli(&arguments).status.success().then_some(user)
                })
            })
            .collect();
        // In the middle of them: some are acknowledged, some pods run, the rest is under way.
        wait_for("the first pods", || match doorstep.processes().len() {
            few @ ..10 => Err(format!("{few} processes")),
            _ => Ok(()),
        });
        doorstep.strike();
        deploys.into_iter().filter_map(|deploy| deploy.join().unwrap()).collect()
    });
    doorstep.kill();
    wait_for("the end of every process", || match doorstep.processes() {
        left if left.is_empty() => Ok(()),
        left => Err(format!("{left:?}")),
    });
    println!("{} of 50 deploys were acknowledged before the kill", acknowledged.len());

    let doorstep = Doorstep::start_in(folder.path(), &[]);
    for user in &acknowledged {
        let url = doorstep.url(&format!("front{user}.int.localhost"), "/");
        wait_for(&format!("{user}'s page"), || match doorstep.curl(&[&url]) {
            page if page.contains(user.as_str()) && page.contains("TAG_FRONT") => Ok(()),
            page => Err(page),
        });
    }
    doorstep.stop();
}
