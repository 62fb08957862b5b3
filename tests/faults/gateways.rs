//! The gateway itself is replaced.

use crate::support::balancer::Balancer;
use crate::support::{Gateway, wait_for};
use crate::world::{Front, World, load};

/// How long a gateway still accepts after SIGTERM: longer than those before it take to see that it is not ready.
const DELAY: &[&str] = &["--shutdown-delay", "2"];

faults! {
    fn a_rolling_update_of_two_gateways_fails_no_request() {
        let (world, front) = (World::start(), Front::start(0));
        world.load_on(&[&front]);
        let balancer = Balancer::start();
        let folder = tempfile::tempdir().unwrap();
        let start = |number: usize| {
            let path = folder.path().join(number.to_string());
            std::fs::create_dir(&path).unwrap();
            let gateway = Gateway::start_in(&path, &world.plane.kubeconfig, DELAY);
            balancer.add(gateway.admin, gateway.http);
            gateway
        };
        let all_ready = |count: usize| {
            wait_for("readiness", || match balancer.ready() {
                ready if ready == count => Ok(()),
                ready => Err(format!("{ready} of {count}")),
            });
        };
        let mut old = vec![start(0), start(1)];
        all_ready(2);
        let load = load(balancer.address);
        let mut replaced = 0;
        // Three updates of both, each as a Deployment does it: one more comes, is ready, and then an old one goes.
        for number in 2..8 {
            old.push(start(number));
            all_ready(3);
            let leaving = old.remove(0);
            let admin = leaving.admin;
            leaving.terminate();
            let status = leaving.ended();
            assert!(status.success(), "{status}");
            balancer.remove(admin);
            replaced += 1;
        }
        let requests = load.stop().without_failure();
        println!("{replaced} gateways were replaced: {requests} requests, 0 failed");
    }
}
