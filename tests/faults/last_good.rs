//! A gateway that starts while the API server is away.

use crate::support::objects::host;
use crate::support::{Gateway, wait_for};
use crate::world::{Front, World, last};
use std::path::Path;
use std::time::{Duration, Instant};

const HOSTS: usize = 200;

faults! {
    fn a_gateway_restarted_without_the_api_server_serves_every_host_of_its_last_good_table() {
        let (world, _front) = (World::start(), Front::start(0));
        let users = || (0..HOSTS).map(|number| format!("user{number}"));
        world.runtime.block_on(world.objects.create_all(users().map(|user| (user, 0))));
        let (folder, kubeconfig) = (tempfile::tempdir().unwrap(), &world.plane.kubeconfig);
        let file = folder.path().join("last-good");
        let gateway = Gateway::start_in(folder.path(), kubeconfig, &[]);
        gateway.wait_until_ready();
        wait_until_kept(&file, &users());
        drop(gateway);
        world.plane.command("kill kube-apiserver");

        let began = Instant::now();
        let gateway = Gateway::start_in(folder.path(), kubeconfig, &[]);
        let ready = gateway.wait_until_ready();
        let answers = users().filter(|user| gateway.ask(&host(user)).contains(" 200 ")).count();
        let all = began.elapsed();
        assert_eq!(answers, HOSTS, "every host answers at once");
        println!("without an API server: ready {ready:?} after the start, {HOSTS} of {HOSTS} hosts had answered after {all:?}");
        let said = gateway.admin("/readyz?verbose");
        println!("{}", said.split("\r\n\r\n").nth(1).unwrap_or_default());
        drop(gateway);

        // One byte of it is another one.
        let mut content = std::fs::read(&file).unwrap();
        let middle = content.len() / 2;
        content[middle] ^= 1;
        std::fs::write(&file, content).unwrap();
        let gateway = Gateway::start_in(folder.path(), kubeconfig, &[]);
        last(Instant::now(), Duration::from_secs(5), || assert!(!gateway.is_ready(), "it has no table"));
        let said = gateway.admin("/readyz");
        for part in ["last-good", "SHA-256", "delete it"] {
            assert!(said.contains(part), "no {part} in {said}");
        }
        println!("with a corrupted file: {}", said.split("\r\n\r\n").nth(1).unwrap_or_default());
        world.plane.command("start kube-apiserver");
        gateway.wait_until_ready();
        gateway.wait_for(&host("user0"), "the live table", |answer| answer.contains(" 200 "));
    }
}

fn wait_until_kept(file: &Path, users: &(impl Iterator<Item = String> + Clone)) {
    wait_for("the last good table on disk, whole", || {
        let text = String::from_utf8_lossy(&std::fs::read(file).map_err(|error| error.to_string())?).into_owned();
        let missing = users.clone().find(|user| !text.contains(&format!("\"{user}-integration-bench\"")));
        missing.map_or(Ok(()), |user| Err(format!("{user} is not in it")))
    });
}
