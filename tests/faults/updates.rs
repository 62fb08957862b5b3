//! Other people's changes, many of them: the load of one environment does not feel them.

use crate::support::Gateway;
use crate::support::objects::{address, host, ingress_host};
use crate::world::{Front, World, load, load_giving_way};
use futures::{StreamExt, stream};
use std::time::{Duration, Instant};

faults! {
    fn a_thousand_changes_of_other_routes_fail_no_request() {
        let (world, front) = (World::start(), Front::start(0));
        world.load_on(&[&front]);
        let gateway = Gateway::start(&world.plane.kubeconfig);
        let load = load(gateway.http);
        let began = Instant::now();
        let objects = &world.objects;
        // Each of these comes, gets another endpoint, and goes; every fourth stays. 4 x 286 changes, with those of Ingresses.
        let changes = stream::iter(0..286_usize).map(async |number| {
            let (user, endpoint) = (format!("other{number}"), address(100 + number));
            if number % 2 == 0 {
                objects.create(&user, &[endpoint]).await;
            } else {
                objects.create_ingress(&user, &[endpoint]).await;
            }
            objects.change(&user, &[front.address]).await;
            if number % 4 != 0 {
                objects.delete(&user).await;
                return 5;
            }
            3
        });
        let changes: usize = world.runtime.block_on(changes.buffer_unordered(8).fold(0, async |sum, n| sum + n));
        let took = began.elapsed();
        gateway.wait_for(&host("other284"), "one that stayed", |answer| answer.contains(" 200 "));
        gateway.wait_for(&host("other282"), "the end of one that went", |answer| answer.contains(" 404 "));
        gateway.wait_for(&ingress_host("other285"), "the end of an Ingress", |answer| answer.contains(" 404 "));
        let requests = load.stop().without_failure();
        println!("{changes} changes of other routes in {took:?}: {requests} requests, 0 failed");
        assert!(changes >= 1000, "{changes}");
    }

    fn ten_thousand_updates_of_slices_in_ten_seconds_fail_no_request() {
        const UPDATES: usize = 10_000;
        const SLICES: usize = 100;
        let (world, front) = (World::start(), Front::start(0));
        world.load_on(&[&front]);
        let objects = &world.objects;
        let others = (0..SLICES).map(|number| (format!("other{number}"), 1000 + number));
        world.runtime.block_on(objects.create_all(others));
        let gateway = Gateway::start(&world.plane.kubeconfig);
        // Two cores are for the updates first: a thousand a second have to be acknowledged.
        let load = load_giving_way(gateway.http);
        let began = Instant::now();
        let updates = stream::iter(0..UPDATES).for_each_concurrent(64, async |turn| {
            // In the end each of them has an endpoint that answers.
            let endpoint = if turn + SLICES < UPDATES { address(2000 + turn) } else { front.address };
            // Due somewhat before ten seconds are over, so that the last one's answer is there by then; what comes late makes
            // up for it.
            tokio::time::sleep_until((began + Duration::from_micros(950 * turn as u64)).into()).await;
            drop(objects.change(&format!("other{}", turn % SLICES), &[endpoint]).await);
        });
        world.runtime.block_on(updates);
        let took = began.elapsed();
        for number in 0..SLICES {
            let host = host(&format!("other{number}"));
            gateway.wait_for(&host, "the last update", |answer| answer.contains(" 200 "));
        }
        let requests = load.stop().without_failure();
        println!("{UPDATES} updates were acknowledged in {took:?}: {requests} requests, 0 failed");
    }
}
