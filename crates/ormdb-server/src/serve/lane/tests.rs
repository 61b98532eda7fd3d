use std::sync::mpsc;
use std::time::Duration;

use super::*;

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn writes_run_in_order_and_are_answered_together() {
    let lane = Lane::new(Workers::new(1));
    let (told, heard) = mpsc::channel();
    let (go, gone) = mpsc::channel::<()>();
    // It holds the thread until the others wait.
    lane.run(move || {
        gone.recv_timeout(PATIENCE).unwrap();
        None
    });
    for number in 0..3 {
        let told = told.clone();
        lane.run(move || {
            told.send(("written", number)).unwrap();
            Some(Box::new(move || told.send(("answered", number)).unwrap()))
        });
    }
    go.send(()).unwrap();
    let heard: Vec<_> = (0..6).map(|_| heard.recv_timeout(PATIENCE).unwrap()).collect();
    let expected =
        ["written", "answered"].into_iter().flat_map(|what| (0..3).map(move |number| (what, number)));
    assert_eq!(heard, expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn one_that_waits_holds_up_nobody() {
    let lane = Lane::new(Workers::new(2));
    let (told, heard) = mpsc::channel();
    let (go, gone) = mpsc::channel::<()>();
    let first = told.clone();
    lane.run(move || Some(Box::new(move || first.send("durable").unwrap())));
    let waits = told.clone();
    lane.run(move || {
        pass_on();
        pass_on();
        gone.recv_timeout(PATIENCE).unwrap();
        Some(Box::new(move || waits.send("waited").unwrap()))
    });
    lane.run(move || {
        told.send("behind it").unwrap();
        None
    });
    let mut before: Vec<_> = (0..2).map(|_| heard.recv_timeout(PATIENCE).unwrap()).collect();
    before.sort_unstable();
    assert_eq!(before, ["behind it", "durable"]);
    go.send(()).unwrap();
    assert_eq!(heard.recv_timeout(PATIENCE).unwrap(), "waited");
    // The lane is free again.
    let (told, heard) = mpsc::channel();
    lane.run(move || {
        told.send(()).unwrap();
        None
    });
    heard.recv_timeout(PATIENCE).unwrap();
}

#[tokio::test]
async fn one_that_runs_where_it_came_from_is_followed_by_those_behind_it() {
    let lane = Lane::new(Workers::new(1));
    let (told, heard) = mpsc::channel();
    let here = lane.run_here(|| {
        assert!(lane.run_here(|| ()).is_none(), "the lane is taken");
        let told = told.clone();
        lane.run(move || {
            told.send(std::thread::current().id()).unwrap();
            None
        });
        assert!(heard.try_recv().is_err());
        std::thread::current().id()
    });
    assert_eq!(here, Some(std::thread::current().id()));
    assert_ne!(heard.recv_timeout(PATIENCE).unwrap(), std::thread::current().id());
    // The lane is free again, as soon as that thread has seen that nothing is left.
    while lane.run_here(|| ()).is_none() {
        std::thread::yield_now();
    }
}
