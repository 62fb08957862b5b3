//! A pod is stopped: its system takes connections for it, and nothing answers. No request fails by it where another pod is there.

use crate::harness::{Doorstep, signal, wait_for};
use std::process::Output;

/// Far more than the other pod would get alone: some wait at the stopped one.
const TOGETHER: usize = 24;

fn statuses(outputs: Vec<Output>) -> Vec<String> {
    outputs.into_iter().map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).collect()
}

#[test]
fn a_pod_that_is_stopped_fails_no_request_where_there_is_another() {
    let doorstep = Doorstep::start();
    let two = r#"{"spec": {"replicas": 2}}"#;
    doorstep.kubectl_ok(&["patch", "environmentclass", "integration", "--type=merge", "-p", two]);
    doorstep.deploy("haimaz", "integration", "1");
    wait_for("both pods", || match doorstep.api("/environments/haimaz/integration")["readyReplicas"].as_i64() {
        Some(2) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    let is_front = |command: &str| command.contains("sample-front") && !command.contains("pod-shim");
    let fronts: Vec<u32> = doorstep.processes().into_iter().filter(|(_, c)| is_front(c)).map(|(pid, _)| pid).collect();
    assert_eq!(fronts.len(), 2, "{:?}", doorstep.processes());
    signal(fronts[0], "STOP");
    let url = format!("http://{}/", doorstep.http);
    let ask = || {
        let host = "Host: fronthaimaz.int.localhost";
        doorstep.curl_output(&["-o", "/dev/null", "-w", "%{http_code}", "-H", host, &url])
    };
    let outputs = std::thread::scope(|scope| {
        let asked: Vec<_> = (0..TOGETHER).map(|_| scope.spawn(ask)).collect();
        asked.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    let answered = statuses(outputs);
    signal(fronts[0], "CONT");
    assert!(answered.iter().all(|status| status == "200"), "{answered:?}");
    wait_for("a record of one that met the stopped pod", || {
        let log = doorstep.access_log();
        let tried_again = log.iter().any(|record| record["retries"].as_u64() > Some(0));
        if tried_again { Ok(()) } else { Err(format!("{log:?}")) }
    });
    doorstep.stop();
}
