use tokio::io::{AsyncWriteExt, BufReader};

use super::*;

const LONG: Duration = Duration::from_secs(60);

fn polls(most: usize) -> BusyPolls {
    BusyPolls { now: AtomicUsize::new(0), most }
}

#[tokio::test]
async fn only_a_client_that_came_soon_is_looked_for() {
    let (mut client, server) = tokio::io::duplex(64);
    let mut read = BufReader::new(server);
    let (polls, mut poll) = (polls(1), BusyPoll::default());
    // It would not return within the time of the test.
    let began = poll.wait(&mut read, (&polls, LONG)).await;
    poll.came(began, LONG);
    let looking = async { poll.wait(&mut read, (&polls, LONG)).await };
    tokio::join!(looking, client.write_all(b"x")).1.unwrap();
    assert_eq!(read.buffer(), b"x");
    poll.came(began, Duration::ZERO);
    read = BufReader::new(tokio::io::duplex(64).1);
    poll.wait(&mut read, (&polls, LONG)).await;
    assert_eq!(polls.now.load(Ordering::Relaxed), 0, "each place was given back");
}

#[tokio::test]
async fn the_moment_ends() {
    let (_client, server) = tokio::io::duplex(64);
    let mut read = BufReader::new(server);
    let moment = Duration::from_micros(50);
    let began = BusyPoll { came_soon: true }.wait(&mut read, (&polls(1), moment)).await;
    assert!(began.elapsed() >= moment);
    assert!(read.buffer().is_empty());
}

#[tokio::test]
async fn no_more_look_than_there_is_room_for() {
    let (_client, server) = tokio::io::duplex(64);
    let mut read = BufReader::new(server);
    // It would not return within the time of the test.
    BusyPoll { came_soon: true }.wait(&mut read, (&polls(0), LONG)).await;
}
