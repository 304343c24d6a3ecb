//! What waits for a recipient that is not in force, and is asked back meanwhile.

use std::time::Duration;

use dex::client::{Item, keys};
use dex::domain::command::Receipt;
use dex::domain::event::Verdict;
use dex::domain::{Digest, Status};

use crate::support::cast::{Cast, RECORD, address, id, terms};
use crate::support::exchange::Exchange;
use crate::support::nats_server::TestServer;

#[tokio::test]
async fn what_is_recalled_while_it_waits_does_not_leave_any_more() {
    // The exchange that is killed in between knows it of its ledger.
    for killed in [false, true] {
        let broker = TestServer::start();
        let mut exchange = Exchange::on(&broker);
        let cast = Cast::new(exchange.client().await, 1).await;
        let (operator, hat) = (&cast.operator, &cast.hats[0]);
        let party = address("org:late");
        let key = keys::generate();
        let public = key.public();
        let org = operator.speaking(party.clone(), key);
        org.register_org("Late").await.expect("registered");
        operator.approve(&party, &public).await.expect("approved");
        org.debit_propose(&cast.hat(0), &id("late"), &terms(&party)).await.expect("proposed");
        hat.debit_enable(&id("late")).await.expect("enabled");
        // Without a key it is in force, but nothing reaches it.
        operator.revoke_key(&party, &public, dex::client::ids::now()).await.expect("revoked");
        let gone = hat.release(&id("late"), RECORD).await.expect("accepted");
        let kept = hat.release(&id("late"), RECORD).await.expect("accepted");
        hat.recall(&cast.hat(0), gone.outcome.exchange).await.expect("asked back");
        if killed {
            exchange.kill();
            exchange.restart();
        }
        let key = keys::generate();
        let public = key.public();
        let org = operator.speaking(party.clone(), key);
        org.register_org("Late").await.expect("registered again");
        operator.approve(&party, &public).await.expect("approved");
        let mut inbox = org.inbox().await.expect("an inbox");
        let (mut recalled, mut delivered) = (None, Vec::new());
        while let Ok(Some(item)) = tokio::time::timeout(Duration::from_secs(4), inbox.next()).await {
            match item.expect("sound") {
                Item::Delivery(delivery) => {
                    delivered.push(Some(delivery.id));
                    delivery.accept().await.expect("settled");
                }
                Item::Recall(recall) => recalled = Some(recall),
                _ => {}
            }
        }
        assert_eq!(delivered, [kept.outcome.delivery], "killed: {killed}");
        let recall = recalled.expect("it is told that it is asked back");
        assert_eq!(Some(recall.delivery), gone.outcome.delivery);
        let (delivery, digest) = (recall.delivery, Digest::of(b""));
        let nothing = Receipt { delivery, digest, count: 0, verdict: Verdict::Returned, reason: None };
        let ended = recall.answer(&nothing).await.expect("taken back");
        assert_eq!(ended.outcome.status, Status::Recalled);
    }
}
