//! The API server goes, comes back, forgets, and refuses: traffic that can flow flows.

use crate::support::fault_proxy::{Fault, FaultProxy};
use crate::support::objects::{address, host};
use crate::support::{Gateway, wait_for, write_leading_to};
use crate::world::{Front, World, last, load};
use std::time::{Duration, Instant};

/// What the gateway watches: Services, EndpointSlices, classes, environments, Ingresses, their classes, and Secrets.
const KINDS: u64 = 7;
const MINUTE: Duration = Duration::from_secs(60);

faults! {
    fn the_api_server_stopped_for_a_minute_while_one_of_two_endpoints_dies_fails_no_request() {
        let (world, front, mut dying) = (World::start(), Front::start(0), Front::start(1));
        world.load_on(&[&front, &dying]);
        let gateway = Gateway::start(&world.plane.kubeconfig);
        let load = load(gateway.http);
        let page = host(crate::world::USER);
        for front in [&front, &dying] {
            let version = format!("of-{}", front.address);
            gateway.wait_for(&page, "both endpoints' answers", |answer| answer.contains(&version));
        }
        let began = Instant::now();
        world.plane.command("kill kube-apiserver");
        last(began, MINUTE / 3, || assert!(gateway.is_ready(), "it serves its last table"));
        dying.kill();
        last(began, MINUTE, || assert!(gateway.ask(&page).contains(" 200 "), "one endpoint is left"));
        world.plane.command("start kube-apiserver");
        println!("the API server was away for {:?}", began.elapsed());
        world.runtime.block_on(world.objects.create("after", &[front.address]));
        gateway.wait_for(&host("after"), "a change after it came back", |answer| answer.contains(" 200 "));
        let requests = load.stop().without_failure();
        println!("{requests} requests, 0 failed");
    }

    fn watches_that_get_410_after_a_compaction_fail_no_request() {
        let (world, front) = (World::start(), Front::start(0));
        world.load_on(&[&front]);
        let proxy = FaultProxy::start(&world.plane.server, &world.plane.pki.join("ca.pem"));
        let file = tempfile::NamedTempFile::new().unwrap();
        write_leading_to(&proxy.url(), &world.plane.kubeconfig, file.path());
        let others = |from: usize, to: usize| (from..to).map(|number| (format!("other{number}"), number + 10));
        world.runtime.block_on(world.objects.create_all(others(0, 50)));
        let gateway = Gateway::start(file.path());
        let load = load(gateway.http);
        // Three times: the watches are cut, much happens that they do not see, and where they were is compacted away. The
        // API server remembers some versions by itself, but not beyond its own end.
        for round in 1..=3_usize {
            proxy.set(Fault::Refuse);
            let (gone, new) = (format!("other{round}"), format!("new{round}"));
            world.runtime.block_on(async {
                world.objects.delete(&gone).await;
                world.objects.create(&new, &[front.address]).await;
                world.objects.change("other49", &[address(100 + round)]).await;
            });
            world.plane.command("compact");
            world.plane.command("kill kube-apiserver");
            world.plane.command("start kube-apiserver");
            proxy.set(Fault::None);
            let seen = wait_for("a watch that is told 410", || match proxy.gone() {
                few if few < KINDS * round as u64 => Err(format!("{few} in {round} rounds of {KINDS} kinds")),
                enough => Ok(enough),
            });
            gateway.wait_for(&host(&new), "what came while nobody watched", |answer| answer.contains(" 200 "));
            gateway.wait_for(&host(&gone), "the end of what went", |answer| answer.contains(" 404 "));
            println!("compaction {round}: {seen} watches were told 410 so far");
        }
        let requests = load.stop().without_failure();
        println!("{requests} requests, 0 failed");
    }

    fn an_api_server_that_answers_429_and_500_for_a_minute_or_hangs_fails_no_request() {
        let (world, front) = (World::start(), Front::start(0));
        world.load_on(&[&front]);
        // Each fault before a gateway of its own, all in the same minute.
        let faults = [Fault::Answer(429), Fault::Answer(500), Fault::Hang];
        let folder = tempfile::tempdir().unwrap();
        let gateways: Vec<_> = faults
            .iter()
            .enumerate()
            .map(|(number, fault)| {
                let proxy = FaultProxy::start(&world.plane.server, &world.plane.pki.join("ca.pem"));
                let file = folder.path().join(number.to_string());
                write_leading_to(&proxy.url(), &world.plane.kubeconfig, &file);
                (fault, Gateway::start(&file), proxy)
            })
            .collect();
        let loads: Vec<_> = gateways.iter().map(|(_, gateway, _)| load(gateway.http)).collect();
        let began = Instant::now();
        for (fault, _, proxy) in &gateways {
            proxy.set(**fault);
            if **fault != Fault::Hang {
                proxy.break_watches();
            }
        }
        last(began, MINUTE, || {
            let ready = gateways.iter().all(|(_, gateway, _)| gateway.is_ready());
            assert!(ready, "a gateway is not ready any more, though it has a table");
        });
        world.runtime.block_on(world.objects.create("after", &[front.address]));
        gateways.iter().for_each(|(_, _, proxy)| proxy.set(Fault::None));
        for ((fault, gateway, proxy), load) in gateways.iter().zip(loads) {
            gateway.wait_for(&host("after"), "a change after it came back", |answer| answer.contains(" 200 "));
            let (tries, requests) = (proxy.answered(), load.stop().without_failure());
            println!("{fault:?}: {requests} requests, 0 failed; the API server was asked {tries} times meanwhile");
            let bound = KINDS * 100;
            assert!(tries < bound, "{KINDS} kinds were tried {tries} times in a minute: that is no backing off");
        }
    }
}
