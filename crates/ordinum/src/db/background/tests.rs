#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods, reason = "what is tested is what a thread does to itself")]

use super::step_back;

fn nice() -> i32 {
    rustix::process::getpriority_process(None).unwrap()
}

/// What a thread that compacts does to its priority is nobody else's, but that of the slices that it starts.
#[test]
fn only_the_thread_itself_steps_back() {
    let before = nice();
    let stepped = move || {
        step_back(0);
        assert_eq!(nice(), before);
        step_back(5);
        (nice(), std::thread::scope(|scope| scope.spawn(nice).join().unwrap()))
    };
    let lower = (before + 5).min(19);
    let seen = std::thread::scope(|scope| scope.spawn(stepped).join().unwrap());
    assert_eq!(seen, (lower, lower));
    assert_eq!(nice(), before);
}
