//! The bounds of the data plane, with the values that ship.

use std::time::Duration;

/// How much and how long the gateway takes. The defaults are those that ship.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of a request's or a response's head.
    pub head_bytes: usize,
    /// Until a head that has begun is complete, and until the first one begins.
    pub head: Duration,
    /// Until a TLS handshake is done.
    pub handshake: Duration,
    /// Until a client's idle connection is closed.
    pub client_idle: Duration,
    /// Until it is closed when the gateway stops: a request may be on its way.
    pub last_call: Duration,
    /// Until an idle connection to an endpoint is closed.
    pub upstream_idle: Duration,
    /// Idle connections kept per endpoint and worker.
    pub idle_per_endpoint: usize,
    /// Until a connection to an endpoint stands.
    pub connect: Duration,
    /// Until the head of the response is there, if the rule says nothing else.
    pub response_head: Duration,
    /// Until it is asked whether an endpoint that sends no head is silent for everybody: what may be repeated goes to another one then.
    pub silence: Duration,
    /// Until a stream on which nothing moves is given up, if the rule says nothing else.
    pub stream_idle: Duration,
    /// The same for upgraded connections.
    pub upgrade_idle: Duration,
    /// How long a request with content waits for an endpoint that comes up, while nothing of it was sent.
    pub patience: Duration,
    /// How long one without content waits for an endpoint, if the rule says nothing else; zero: not at all.
    pub wait: Duration,
    /// Requests under way to one endpoint; more wait until one of them ends.
    pub endpoint_requests: u32,
    /// Whether answers of 502, 503 and 504 count as failures of their endpoint.
    pub eject_by_status: bool,
    /// Streams of an HTTP/2 connection.
    pub http2_streams: u32,
    /// Window of an HTTP/2 stream, in bytes.
    pub http2_stream_window: u32,
    /// Window of an HTTP/2 connection, in bytes.
    pub http2_connection_window: u32,
    /// Bytes of the HPACK table.
    pub http2_header_table: u32,
    /// Bytes of the heads of all requests under way on an HTTP/2 connection.
    pub http2_heads: u64,
    /// Streams that a client may reset before they are looked at.
    pub http2_pending_resets: usize,
    /// Resets that a client may provoke.
    pub http2_local_resets: usize,
    /// Requests that a client may reset before any is answered; later each answer earns one more, up to twice its streams.
    pub http2_unanswered_resets: u32,
    /// SETTINGS that a client may send in ten seconds.
    pub http2_settings: u32,
    /// PING frames that it may send in ten seconds while nothing of an answer is sent to it.
    pub http2_pings: u32,
    /// Frames that move nothing (empty DATA, PRIORITY, unknown ones) that it may send in ten seconds.
    pub http2_void_frames: u32,
    /// WINDOW_UPDATE frames that it may send while nothing is sent to it.
    pub http2_window_updates: u32,
    /// Bytes of a response that wait for the window of their stream.
    pub http2_send_buffer: usize,
    /// Between two pings.
    pub http2_ping: Duration,
    /// Where client connections get scarce: how long one idles before it may be closed.
    pub crowded_idle: Duration,
    /// There too: bytes a second that a client has to move while all that is under way waits for it,
    pub crowded_rate: u64,
    /// after this time.
    pub crowded_grace: Duration,
    /// Client connections of all workers; 0: half of the file descriptors.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            head_bytes: 64 * 1024,
            head: seconds(10),
            handshake: seconds(10),
            client_idle: seconds(75),
            last_call: seconds(1),
            upstream_idle: seconds(60),
            idle_per_endpoint: 256,
            connect: seconds(2),
            response_head: seconds(60),
            silence: seconds(10),
            stream_idle: seconds(300),
            upgrade_idle: seconds(3600),
            patience: Duration::from_millis(250),
            wait: seconds(5),
            endpoint_requests: 1024,
            eject_by_status: true,
            http2_streams: 100,
            http2_stream_window: 64 * 1024,
            http2_connection_window: 1024 * 1024,
            http2_header_table: 4096,
            http2_heads: 1024 * 1024,
            http2_pending_resets: 50,
            http2_local_resets: 500,
            http2_unanswered_resets: 50,
            http2_settings: 50,
            http2_pings: 100,
            http2_void_frames: 1000,
            http2_window_updates: 10_000,
            http2_send_buffer: 64 * 1024,
            http2_ping: seconds(30),
            crowded_idle: seconds(5),
            crowded_rate: 240,
            crowded_grace: seconds(10),
            connections: 0,
        }
    }
}

impl Limits {
    /// Client connections that one of `workers` may have.
    pub(super) fn connections_per_worker(&self, workers: usize) -> usize {
        let all = if self.connections > 0 { self.connections } else { half_of_descriptors() };
        (all / workers.max(1)).max(1)
    }
}

fn half_of_descriptors() -> usize {
    use nix::sys::resource::{Resource, getrlimit};
    let soft = getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(soft, _)| soft);
    usize::try_from(soft / 2).unwrap_or(usize::MAX)
}
