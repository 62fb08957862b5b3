//! The proxies: how each is started, with one thread, for one host, before one backend.

use crate::load::Doors;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The host that all of them have.
const HOST: &str = "bench.example.test";
const DEADLINE: Duration = Duration::from_secs(20);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Doorstep,
    Nginx,
    HaProxy,
    Caddy,
    Traefik,
}

impl Kind {
    pub const ALL: [Self; 5] = [Self::Doorstep, Self::Nginx, Self::HaProxy, Self::Caddy, Self::Traefik];

    pub fn name(self) -> &'static str {
        match self {
            Self::Doorstep => "doorstep",
            Self::Nginx => "nginx",
            Self::HaProxy => "haproxy",
            Self::Caddy => "caddy",
            Self::Traefik => "traefik",
        }
    }

    fn program(self) -> &'static str {
        match self {
            Self::Doorstep => env!("CARGO_BIN_EXE_doorstep"),
            Self::Nginx | Self::HaProxy | Self::Caddy | Self::Traefik => self.name(),
        }
    }

    /// The first line that says its version; `None` where it is not there.
    pub fn version(self) -> Option<String> {
        let argument = match self {
            Self::Nginx | Self::HaProxy => "-v",
            Self::Doorstep => "--version",
            Self::Caddy | Self::Traefik => "version",
        };
        let output = Command::new(self.program()).arg(argument).output().ok()?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).ok()?;
        let told = |line: &&str| line.starts_with("Version:");
        let has_number = |line: &&str| line.contains(|letter: char| letter.is_ascii_digit());
        let line = text.lines().find(told).or_else(|| text.lines().find(has_number))?;
        Some(line.trim().to_owned())
    }
}

/// A running one.
pub struct Peer {
    child: Child,
    folder: tempfile::TempDir,
    pub doors: Doors,
}

impl Peer {
    /// Starts one on these processors and waits until both of its doors are open.
    pub fn start(kind: Kind, backend: SocketAddr, processors: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let doors = Doors { http: free(), https: free() };
        write_certificate(folder.path());
        let arguments = match kind {
            Kind::Doorstep => doorstep(folder.path(), doors, backend),
            Kind::Nginx => nginx(folder.path(), doors, backend),
            Kind::HaProxy => haproxy(folder.path(), doors, backend),
            Kind::Caddy => caddy(folder.path(), doors, backend),
            Kind::Traefik => traefik(folder.path(), doors, backend),
        };
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", processors, kind.program()]).args(arguments);
        // Go's programs take as many threads as the process may use processors.
        command.env("GOMAXPROCS", "1").env("HOME", folder.path()).env("XDG_DATA_HOME", folder.path());
        command.env("XDG_CONFIG_HOME", folder.path());
        let child = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let peer = Self { child, folder, doors };
        for door in [doors.http, doors.https] {
            peer.wait_for(door);
        }
        peer
    }

    fn wait_for(&self, door: SocketAddr) {
        let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        assert!(wait_until(|| TcpStream::connect(door).is_ok()), "nothing listens on {door}: {}", log());
    }

    /// The processor time of it and its children, in seconds.
    pub fn processor_seconds(&self) -> f64 {
        self.processes().into_iter().map(processor_seconds).sum()
    }

    /// The memory of it and its children, in MiB.
    pub fn resident_mebibytes(&self) -> f64 {
        self.processes().into_iter().map(resident_mebibytes).sum()
    }

    fn processes(&self) -> Vec<u32> {
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", self.child.id())).unwrap_or_default();
        let children = children.split_whitespace().filter_map(|child| child.parse().ok());
        std::iter::once(self.child.id()).chain(children).collect()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // A master of workers ends them when it is told to; killed, it would leave them.
        let _told = Command::new("kill").arg(self.child.id().to_string()).status();
        if wait_until(|| matches!(self.child.try_wait(), Ok(Some(_)))) {
            return;
        }
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Waits until `condition` holds; `false` where it does not in time.
#[allow(clippy::disallowed_methods, reason = "it waits for a condition with a deadline")]
pub fn wait_until(mut condition: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    while !condition() {
        if began.elapsed() > DEADLINE {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    true
}

fn processor_seconds(process: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let Some((_, fields)) = stat.rsplit_once(')') else { return 0.0 };
    // utime and stime, in ticks of ten milliseconds.
    fields.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn resident_mebibytes(process: u32) -> f64 {
    let statm = fs::read_to_string(format!("/proc/{process}/statm")).unwrap_or_default();
    let pages = statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<f64>().ok());
    pages.unwrap_or_default() * 4096.0 / 1_048_576.0
}

/// An address that nobody has now.
pub fn free() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

/// A certificate of P-256, as Doorstep makes its own: `cert.pem`, `key.pem`, and both in `both.pem`. It is for the address as well,
/// which wrk names as the server.
fn write_certificate(folder: &Path) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec![HOST.to_owned(), "127.0.0.1".to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let (certificate, key) = (certificate.pem(), key.serialize_pem());
    fs::write(folder.join("cert.pem"), &certificate).unwrap();
    fs::write(folder.join("key.pem"), &key).unwrap();
    fs::write(folder.join("both.pem"), format!("{certificate}{key}")).unwrap();
}

fn write(folder: &Path, name: &str, text: String) -> String {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn doorstep(folder: &Path, doors: Doors, backend: SocketAddr) -> Vec<String> {
    let routes = format!("routes:\n- hosts: [{HOST}]\n  rules:\n  - backends: [{{address: \"{backend}\"}}]\n");
    let routes = write(folder, "routes.yaml", routes);
    let (http, https) = (doors.http.to_string(), doors.https.to_string());
    let data = folder.to_str().unwrap();
    let arguments = ["gateway", "--routes", &routes, "--data", data, "--http", &http, "--https", &https];
    arguments.iter().chain(&["--admin", "127.0.0.1:0", "--access-log", "off"]).map(ToString::to_string).collect()
}

fn nginx(folder: &Path, doors: Doors, backend: SocketAddr) -> Vec<String> {
    let (http, https, data) = (doors.http, doors.https, folder.display());
    let text = format!(
        r#"
worker_processes 1;
daemon off;
pid {data}/pid;
error_log {data}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {data}/body;
  proxy_temp_path {data}/proxy;
  fastcgi_temp_path {data}/fastcgi;
  uwsgi_temp_path {data}/uwsgi;
  scgi_temp_path {data}/scgi;
  keepalive_requests 100000000;
  upstream backend {{ server {backend}; keepalive 128; keepalive_requests 100000000; }}
  server {{
    listen {http};
    listen {https} ssl http2;
    server_name {HOST};
    ssl_certificate cert.pem;
    ssl_certificate_key key.pem;
    location / {{
      proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $host;
    }}
  }}
}}
"#
    );
    let config = write(folder, "nginx.conf", text);
    vec!["-p".to_owned(), data.to_string(), "-c".to_owned(), config]
}

fn haproxy(folder: &Path, doors: Doors, backend: SocketAddr) -> Vec<String> {
    let (http, https, data) = (doors.http, doors.https, folder.display());
    let text = format!(
        r"
global
  nbthread 1
  maxconn 8192
defaults
  mode http
  timeout connect 2s
  timeout client 75s
  timeout server 60s
  http-reuse always
frontend web
  bind {http}
  bind {https} ssl crt {data}/both.pem alpn h2,http/1.1
  option forwardfor
  http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  use_backend pods if {{ hdr(host) -i {HOST} }}
backend pods
  server one {backend} pool-max-conn -1
"
    );
    let config = write(folder, "haproxy.cfg", text);
    vec!["-db".to_owned(), "-f".to_owned(), config]
}

fn caddy(folder: &Path, doors: Doors, backend: SocketAddr) -> Vec<String> {
    let (http, https, data) = (doors.http.port(), doors.https.port(), folder.display());
    let text = format!(
        r"
{{
  admin off
  auto_https off
  http_port {http}
  https_port {https}
}}
http://{HOST}:{http} {{
  bind 127.0.0.1
  reverse_proxy {backend}
}}
https://{HOST}:{https} {{
  bind 127.0.0.1
  tls {data}/cert.pem {data}/key.pem
  reverse_proxy {backend}
}}
"
    );
    let config = write(folder, "Caddyfile", text);
    ["run", "--adapter", "caddyfile", "--config", &config].map(str::to_owned).into()
}

fn traefik(folder: &Path, doors: Doors, backend: SocketAddr) -> Vec<String> {
    let data = folder.display();
    let dynamic = format!(
        r#"
http:
  routers:
    plain: {{rule: "Host(`{HOST}`)", entryPoints: [web], service: pods}}
    tls: {{rule: "Host(`{HOST}`)", entryPoints: [websecure], service: pods, tls: {{}}}}
  services:
    pods:
      loadBalancer:
        servers: [{{url: "http://{backend}"}}]
        serversTransport: pods
  serversTransports:
    pods: {{maxIdleConnsPerHost: 128}}
tls:
  certificates: [{{certFile: "{data}/cert.pem", keyFile: "{data}/key.pem"}}]
"#
    );
    let dynamic = write(folder, "dynamic.yaml", dynamic);
    vec![
        format!("--entryPoints.web.address={}", doors.http),
        format!("--entryPoints.websecure.address={}", doors.https),
        format!("--providers.file.filename={dynamic}"),
        "--global.checkNewVersion=false".to_owned(),
        "--global.sendAnonymousUsage=false".to_owned(),
        "--log.level=ERROR".to_owned(),
    ]
}
