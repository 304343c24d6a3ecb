//! What the console proves in the browser: an exchange's path, a leaf, the ledger's growth. A wrong answer, whichever part
//! of it is changed, is shown as failed and never as verified.

use std::time::Duration;

use dex::client::Order;

use crate::gateway_live::keep_all;
use crate::support::browser::Browser;
use crate::support::cast::{Cast, RECORD, id};
use crate::support::gateway::Gateway;

const WITHIN: Duration = Duration::from_secs(60);

/// Changes answers on their way into the page: `tamper = { of: part of the path, change: function of the JSON }`.
const TAMPER: &str = "window.tamper = null; const ask = window.fetch; \
    window.fetch = async (...of) => { const answer = await ask(...of); \
    if (!window.tamper || !answer.ok || !String(of[0]).includes(window.tamper.of)) return answer; \
    const it = await answer.json(); window.tamper.change(it); \
    return new Response(JSON.stringify(it), { status: 200, headers: { 'Content-Type': 'application/json' } }); };";

/// A letter of a Base64 text or a digit of a hex text becomes another.
const FLIP: &str = "window.flip = (text, at) => text.slice(0, at) + (text[at] === 'A' || text[at] === 'a' ? (text[at] === 'A' ? 'B' : 'b') : (/[a-z0-9]/.test(text[at]) ? 'a' : 'A')) + text.slice(at + 1);";

/// Each lie with the change that makes it. All are of an exchange with two steps, opened and settled.
const LIES: [(&str, &str); 15] = [
    ("a step's status", "it.steps[1].status = 'disputed'"),
    ("a step's event", "it.steps[1].event = 'expired'"),
    ("a reason", "it.steps[1].reason = 'count-mismatch'"),
    ("who said it", "it.steps[0].from = 'plug:other'"),
    ("a digest", "it.steps[0].digestIn = flip(it.steps[0].digestIn, 3)"),
    ("a count", "it.steps[0].countIn += 1"),
    ("a time", "it.steps[0].at = it.steps[0].at.replace(/^2/, '3')"),
    ("what is left out", "delete it.steps[1].exchange"),
    ("how it stands", "it.status = 'rejected'"),
    ("an entry", "it.statements[0].entry = flip(it.statements[0].entry, 20)"),
    ("a salt", "it.statements[1].salt = flip(it.statements[1].salt, 5)"),
    ("a path", "it.statements[1].path[0] = flip(it.statements[1].path[0], 7)"),
    ("a proof of another leaf", "it.statements.reverse().forEach((one, at) => (one.leaf = it.steps[at].leaf))"),
    ("no proof", "it.statements.pop()"),
    (
        "a checkpoint",
        "it.checkpoint = it.checkpoint.replace(/(— \\S+ .{20})./, (all, head) => head + (all.endsWith('A') ? 'B' : 'A'))",
    ),
];

async fn settled(cast: &Cast) -> String {
    let order = Order::credit(&cast.hat(0), &id("facebook"), RECORD);
    cast.plug.conclude(order, WITHIN).await.expect("settled").first.outcome.exchange.to_string()
}

fn show(browser: &mut Browser, page: &str) {
    browser.eval("location.hash = '#/parties/plugs'");
    browser.until("document.querySelector('h1')?.textContent === 'Plugs'");
    browser.eval(&format!("location.hash = '#/{page}'"));
    browser.until("document.querySelector('#verdict') !== null");
}

fn verdict(browser: &mut Browser) -> String {
    browser.eval("document.querySelector('#verdict').textContent").as_str().expect("text").to_owned()
}

#[tokio::test]
async fn a_path_is_proven_in_the_browser_and_no_lie_passes() {
    let gateway = Gateway::start();
    let cast = Cast::new(gateway.exchange.client().await, 1).await;
    let _keeps = keep_all(cast.hats[0].clone());
    let root = gateway.account("root", &["Master"]).await;
    let exchange = settled(&cast).await;
    let mut browser = Browser::start();
    browser.before(TAMPER);
    browser.look(1280, 900, false);
    browser.open(&format!("{}/console#/exchange", gateway.url));
    browser.eval(&format!("import('/console/api.js').then((api) => api.useToken('{root}'))"));
    browser.until("document.getElementById('who').textContent === 'Sign out root'");

    // Found by its id; what is no id is told before anybody is asked.
    browser.eval("document.getElementById('exchange-id').focus()");
    browser.write("steps");
    browser.press("Enter");
    browser.until("document.querySelector('.search .wrong').textContent.startsWith('That is no id')");
    browser.eval("document.getElementById('exchange-id').select()");
    browser.write(&exchange);
    browser.press("Enter");
    browser.until("document.querySelector('#verdict') !== null");
    assert_eq!(browser.eval("location.hash"), format!("#/exchange/{exchange}"), "a link that can be kept");
    let told = verdict(&mut browser);
    assert!(told.starts_with("Verified all 2 steps") && told.contains("signature by WebCrypto"), "{told}");
    let proven = "[...document.querySelectorAll('.step')].map((it) => it.dataset.proven).join()";
    assert_eq!(browser.eval(proven), "true,true");
    let events = "[...document.querySelectorAll('.step h3')].map((it) => it.textContent).join()";
    assert_eq!(browser.eval(events), "opened,settled");
    let beside = browser.eval("document.querySelector('.timeline').textContent.includes('Told beside it')");
    assert_eq!(beside, false, "every field that these steps tell stands in their entries");

    for (lie, change) in LIES {
        browser.eval(&format!(
            "{FLIP} window.tamper = {{ of: '/api/v1/exchanges/', change: (it) => {{ {change}; }} }}; 0"
        ));
        show(&mut browser, &format!("exchange/{exchange}"));
        let told = verdict(&mut browser);
        assert!(told.starts_with("Failed"), "{lie}: {told}");
        if lie != "how it stands" {
            let proven = browser.eval(proven).to_string();
            assert!(proven.contains("false"), "{lie}: {proven}");
        }
    }
    // Another key than the one that this browser saw first: everything fails, whoever signed.
    browser.eval("window.tamper = null");
    show(&mut browser, &format!("exchange/{exchange}"));
    assert!(verdict(&mut browser).starts_with("Verified"));
    browser.eval("localStorage.setItem('dex.key.dex.test', JSON.stringify({ text: 'dex.test+00000000+AXWNz+Mb/Ht8eTiS8szXW88f/8CrbbrO3WofJD9uKW1U', since: new Date().toISOString() }))");
    show(&mut browser, &format!("exchange/{exchange}"));
    let told = verdict(&mut browser);
    assert!(told.starts_with("Failed") && told.contains("another one than this browser knows"), "{told}");
    show(&mut browser, "ledger");
    assert!(verdict(&mut browser).starts_with("Failed"));
    browser.eval(
        "[...document.querySelectorAll('button')].find((it) => it.textContent.startsWith('Go by the new key')).click()",
    );
    browser.until("document.querySelector('#verdict.good') !== null");
    assert_eq!(browser.complaints, Vec::<String>::new(), "nothing to complain of");

    // A browser whose WebCrypto has no Ed25519 goes by the library that comes with the page, to the same verdicts.
    browser.before(
        "const key = crypto.subtle?.importKey.bind(crypto.subtle); if (key) crypto.subtle.importKey = (form, data, algorithm, ...more) => \
         algorithm === 'Ed25519' ? Promise.reject(new DOMException('no', 'NotSupportedError')) : key(form, data, algorithm, ...more);",
    );
    browser.open("about:blank");
    browser.open(&format!("{}/console#/exchange/{exchange}", gateway.url));
    browser.until("document.querySelector('#verdict') !== null");
    let told = verdict(&mut browser);
    assert!(told.starts_with("Verified") && told.contains("signature by noble-ed25519"), "{told}");
    let (_, change) = LIES[LIES.len() - 1];
    browser.eval(&format!("window.tamper = {{ of: '/api/v1/exchanges/', change: (it) => {{ {change}; }} }}; 0"));
    show(&mut browser, &format!("exchange/{exchange}"));
    assert!(verdict(&mut browser).starts_with("Failed"));
    assert_eq!(browser.complaints, Vec::<String>::new(), "nothing to complain of");
}

#[tokio::test]
async fn the_ledger_page_proves_leaves_and_that_the_ledger_only_grew() {
    let gateway = Gateway::start();
    let cast = Cast::new(gateway.exchange.client().await, 1).await;
    let _keeps = keep_all(cast.hats[0].clone());
    let mut browser = Browser::start();
    browser.before(TAMPER);
    browser.look(390, 844, true);
    browser.open(&format!("{}/console#/ledger", gateway.url));
    browser.until("document.querySelector('#verdict.good') !== null");
    let second = "document.querySelectorAll('section > .verdict')[1].textContent";
    assert_eq!(browser.eval(&format!("{second}.startsWith('Not checked this browser has seen no earlier')")), true);
    // It grows, again and again: from any size to any other.
    for _ in 0..4 {
        settled(&cast).await;
        show(&mut browser, "ledger");
        let told = browser.eval(second);
        assert!(told.as_str().is_some_and(|told| told.starts_with("Verified it goes on from")), "{told}");
    }
    // Every leaf there is, and none that there is not.
    for leaf in [0, 1, 2, 5] {
        browser.eval(&format!(
            "document.getElementById('leaf').value = '{leaf}'; document.querySelector('main form').requestSubmit()"
        ));
        browser.until(&format!(
            "document.querySelector('main form .verdict')?.textContent.startsWith('Verified leaf {leaf} is in')"
        ));
    }
    browser.eval(
        "document.getElementById('leaf').value = '99999999'; document.querySelector('main form').requestSubmit()",
    );
    browser.until("document.querySelector('main form .failure')?.dataset.kind === '404'");
    browser.forgive("status of 404");
    browser.eval("document.getElementById('leaf').value = 'x'; document.querySelector('main form').requestSubmit()");
    browser.until("document.querySelector('main form .wrong') !== null");

    // A path that was changed, a history that was.
    browser.eval(
        "window.tamper = { of: 'proof?leaf=3', change: (it) => { it.path.reverse(); it.path.pop(); } }; \
                  document.getElementById('leaf').value = '3'; document.querySelector('main form').requestSubmit()",
    );
    browser.until("document.querySelector('main form .verdict')?.textContent.startsWith('Failed')");
    for change in
        ["it.consistency.pop()", "it.consistency[0] = 'ab'.repeat(32)", "it.consistency.push('00'.repeat(32))"]
    {
        settled(&cast).await;
        browser.eval(&format!("window.tamper = {{ of: 'proof?leaf=0', change: (it) => {{ {change}; }} }}; 0"));
        show(&mut browser, "ledger");
        let told = browser.eval(second);
        assert!(
            told.as_str().is_some_and(|told| told.starts_with("Failed it does not go on from")),
            "{change}: {told}"
        );
    }
    browser.eval(
        "window.tamper = null; var seen = JSON.parse(localStorage.getItem('dex.seen.dex.test')); \
                  seen.size += 100000; localStorage.setItem('dex.seen.dex.test', JSON.stringify(seen))",
    );
    show(&mut browser, "ledger");
    let told = browser.eval(second);
    assert!(told.as_str().is_some_and(|told| told.starts_with("Failed it is shorter than")), "{told}");
    assert_eq!(browser.complaints, Vec::<String>::new(), "nothing to complain of");
}
