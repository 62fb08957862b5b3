//! doorstep
fn main() {}
