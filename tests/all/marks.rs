//! Marks in `DEX_OUT` over ageing, starts, restores and cut-off healing; inboxes that lose their consumer.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use dex::client::{InboxOptions, Item, Order, Topic};
use dex::wire::received;

use crate::support::cast::{Cast, RECORD};
use crate::support::exchange::Exchange;
use crate::support::losses::{counted, receive};
use crate::support::nats_server::TestServer;

const MARKED: Duration = Duration::from_millis(4500);

async fn settle(cast: &Cast, count: usize) {
    for _ in 0..count {
        let order = Order::credit(&cast.hat(0), &cast.plug.party().id, RECORD).wait(Duration::from_secs(60));
        cast.plug.conclude(order, Duration::from_secs(60)).await.expect("ended");
    }
}

/// A mark goes by its own age while the daemon is down (24 h; here 6 s). That is no loss.
#[tokio::test]
async fn a_mark_that_has_aged_out_while_down_is_no_loss() {
    let broker = TestServer::start();
    let more = "[limits]\ndeadline_default = \"5s\"\ndeadline_max = \"6s\"\n[streams]\nout_max_age = \"6s\"";
    let mut exchange = Exchange::tuned(&broker, more);
    let cast = Cast::new(exchange.client().await, 1).await;
    let reader = receive(cast.hats[0].clone(), Default::default());
    settle(&cast, 3).await;
    tokio::time::sleep(MARKED).await;
    assert_eq!(counted(&exchange.metrics().await, "dex_output_losses_total", &[]), 0);
    reader.abort();
    exchange.kill();
    tokio::time::sleep(Duration::from_secs(9)).await;
    exchange.restart();
    tokio::time::sleep(MARKED).await;
    let page = exchange.metrics().await;
    let shown: Vec<_> = page.lines().filter(|line| line.contains("_losses_") || line.contains("_healed_")).collect();
    assert_eq!(counted(&page, "dex_output_losses_total", &[]), 0, "{shown:#?}");
}

/// An inbox that is not durable and reads from the oldest on goes on from there when its consumer is lost
/// before anything of it was read.
#[tokio::test]
async fn an_inbox_of_everything_still_reads_everything_when_its_consumer_is_lost() {
    let broker = TestServer::start();
    let exchange = Exchange::on(&broker);
    let cast = Cast::new(exchange.client().await, 1).await;
    let reader = receive(cast.hats[0].clone(), Default::default());
    settle(&cast, 3).await;
    reader.abort();
    let options = InboxOptions { topic: Topic::Outcomes, durable: false, ..InboxOptions::default() };
    let mut inbox = cast.plug.inbox_with(options).await.expect("an inbox");
    // This thread's runtime stands still meanwhile, so nothing was read yet.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let link = broker.link("damage").await;
                let stream = link.jetstream.get_stream("DEX_OUT").await.expect("there");
                let mut names = stream.consumer_names();
                let mut gone = 0;
                while let Some(Ok(name)) = futures_util::StreamExt::next(&mut names).await {
                    gone += usize::from(stream.delete_consumer(&name).await.is_ok());
                }
                assert!(gone > 0);
            });
        });
    });
    let deadline = Instant::now() + Duration::from_secs(40);
    let mut found = 0;
    while found < 3 {
        let left = deadline.saturating_duration_since(Instant::now());
        let Ok(item) = tokio::time::timeout(left, inbox.next()).await else { break };
        if let Some(Ok(Item::Outcomes(outcomes))) = item {
            found += outcomes.iter().filter(|o| o.outcome.status.is_final()).count();
        }
    }
    assert!(found >= 3, "{found} of 3 finals that were in the stream before the inbox was opened");
}

/// "The effects of all leaves below `through` are stored before this": also of a mark that is made at a start.
#[tokio::test]
async fn a_mark_made_at_a_start_covers_nothing_that_is_still_to_go_out_again() {
    let mut broker = TestServer::start();
    let mut exchange = Exchange::on(&broker);
    let cast = Cast::new(exchange.client().await, 1).await;
    let reader = receive(cast.hats[0].clone(), Default::default());
    settle(&cast, 2).await;
    tokio::time::sleep(MARKED).await;
    let file = exchange.path("state").join("out.mark");
    let mark = || std::fs::read_to_string(&file).unwrap_or_default();
    let mut tries = 0;
    loop {
        tries += 1;
        assert!(tries < 10, "no quiet moment");
        let old = mark();
        settle(&cast, 1).await;
        while mark() == old {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let known = mark();
        broker.save("DEX_OUT");
        settle(&cast, 3).await;
        if mark() == known {
            exchange.kill();
            if mark() == known {
                break;
            }
            exchange.restart();
        }
        tokio::time::sleep(MARKED).await;
    }
    reader.abort();
    // What was stored after the mark is gone; the stream begins and ends where the exchange last looked.
    broker.put_back("DEX_OUT");
    broker.restart();
    let link = broker.link("look").await;
    let back = dex::nats::lookup::identity(&link.jetstream, "DEX_OUT").await.expect("there").last_sequence;
    exchange.restart();
    tokio::time::sleep(MARKED).await;
    let stream = link.jetstream.get_stream("DEX_OUT").await.expect("there");
    let last = stream.cached_info().state.last_sequence;
    let (mut through, mut late) = (0u64, HashSet::new());
    for sequence in back + 1..=last {
        let Ok(message) = stream.get_raw_message(sequence).await else { continue };
        if message.subject.ends_with(".mark") {
            let body: serde_json::Value = serde_json::from_slice(&message.payload).expect("JSON");
            through = through.max(body["through"].as_u64().expect("a number"));
        } else if message.subject.ends_with(".outcome") {
            for outcome in received::outcomes(&message.payload).expect("outcomes") {
                if outcome.leaf.index < through {
                    late.insert(outcome.leaf.index);
                }
            }
        }
    }
    assert!(late.is_empty(), "a mark through {through} stands before the outcomes of leaves {late:?}");
}

/// The documented restore: `dex.seed`, `ledger/` and `spool/` come back, `out.mark` does not, the broker is new.
/// A crash while that loss is healed leaves a stream that is neither empty nor marked; the rest must still go out.
#[tokio::test]
async fn a_restore_whose_healing_was_cut_off_is_healed_by_the_next_start() {
    let broker = TestServer::start();
    let mut exchange = Exchange::on(&broker);
    let cast = Cast::new(exchange.client().await, 1).await;
    let reader = receive(cast.hats[0].clone(), Default::default());
    settle(&cast, 3).await;
    reader.abort();
    exchange.stop();
    std::fs::remove_file(exchange.path("state").join("out.mark")).expect("it was there");
    let link = broker.link("damage").await;
    link.jetstream.delete_stream("DEX_OUT").await.expect("deleted");
    // As the first start after the restore leaves it when it is killed early: made, one message sent again, no mark.
    let limits = dex::nats::streams::OutLimits {
        max_bytes: 8 << 30,
        max_age: Duration::from_secs(8 * 86_400),
        max_consumers: 100_000,
        replicas: 1,
    };
    dex::nats::streams::prepare_out(&link.jetstream, &limits).await.expect("made");
    let one = link.jetstream.publish("dex.v1.out.platform.hubat_net.outcome", "[]".into()).await;
    one.expect("sent").await.expect("stored");
    exchange.restart();
    tokio::time::sleep(MARKED).await;
    let stream = link.jetstream.get_stream("DEX_OUT").await.expect("there");
    let mut finals = 0;
    for sequence in 1..=stream.cached_info().state.last_sequence {
        let Ok(message) = stream.get_raw_message(sequence).await else { continue };
        if message.subject.as_str() == "dex.v1.out.plug.facebook.outcome" {
            let outcomes = received::outcomes(&message.payload).expect("outcomes");
            finals += outcomes.iter().filter(|o| o.outcome.status.is_final() && o.outcome.delivery.is_some()).count();
        }
    }
    assert!(finals >= 3, "{finals} of 3 finals are in the stream again");
}
