//! The page of calls at `/api/docs`, opened in a real browser: it lists every call, lets one be tried by mouse and by keys,
//! keeps to its policy and complains of nothing, at the width of a phone and of a desk, light and dark.

use serde_json::json;

use crate::support::browser::{Browser, CONTRAST};
use crate::support::gateway::Gateway;

/// Widths and heights: a small phone, a desk.
const SIZES: [(u32, u32); 2] = [(360, 740), (1280, 900)];

#[tokio::test]
async fn the_page_of_calls_works_in_a_browser() {
    let gateway = Gateway::start();
    let ann = gateway.account("ann", &[]).await;
    let (_, document) = gateway.get("/api/openapi.json", None).await;
    let described: usize =
        document["paths"].as_object().expect("paths").values().filter_map(|it| it.as_object()).map(|it| it.len()).sum();
    let mut browser = Browser::start();
    for (width, height) in SIZES {
        for dark in [false, true] {
            browser.look(width, height, dark);
            browser.open(&format!("{}/api/docs", gateway.url));
            browser.until("document.querySelectorAll('section > details').length > 0");
            assert_eq!(browser.eval("document.querySelectorAll('section > details').length"), described);
            assert_eq!(browser.eval("document.title"), "Data exchange dex.test");
            browser.eval("document.querySelector('#post_api_v1_plugs').open = true");
            browser.until("document.querySelector('#post_api_v1_plugs form') !== null");
            // Nothing hangs over the edge, and everything can be read.
            let over = browser.eval("document.documentElement.scrollWidth - document.documentElement.clientWidth");
            assert_eq!(over, 0, "{width} wide: it scrolls sideways");
            let contrast =
                browser.eval(&format!("{CONTRAST}('h1, h2, p, a, .path, .method, .what, small, button, label')"));
            assert!(contrast.as_f64().is_some_and(|contrast| contrast >= 4.5), "{width}, dark {dark}: {contrast}");
            let light = browser.eval("getComputedStyle(document.body).backgroundColor === 'rgb(255, 255, 255)'");
            assert_eq!(light, json!(!dark), "as the reader's system asks for");
        }
    }

    // By keys alone: the token, then words to find a call, then that call, its form and its button.
    browser.eval("document.activeElement.blur()");
    browser.press("Tab");
    assert_eq!(browser.eval("document.activeElement.id"), "token", "the first thing that is reached");
    browser.write(&ann);
    browser.press("Tab");
    assert_eq!(browser.eval("document.activeElement.id"), "find");
    browser.write("get /api/v1/me who");
    browser.until("document.getElementById('found').textContent === '1 call'");
    assert_eq!(browser.eval("[...document.querySelectorAll('section')].filter((it) => !it.hidden).length"), 1);
    browser.press("Tab"); // openapi.json
    browser.press("Tab");
    assert_eq!(browser.eval("document.activeElement.tagName"), "SUMMARY");
    let outline = browser.eval("getComputedStyle(document.activeElement).outlineStyle");
    assert_eq!(outline, "solid", "one sees where one is");
    browser.press("Enter");
    browser.until("document.querySelector('#get_api_v1_me button') !== null");
    browser.press("Tab");
    assert_eq!(browser.eval("document.activeElement.textContent"), "Try it");
    browser.press("Enter");
    browser.until("/^GET \\/api\\/v1\\/me\\n200 OK/.test(document.querySelector('#get_api_v1_me pre').textContent)");
    let told = browser.eval("document.querySelector('#get_api_v1_me pre').textContent");
    assert!(told.as_str().is_some_and(|told| told.contains("\"account\": \"ann\"")), "{told}");
    assert_eq!(browser.complaints, Vec::<String>::new(), "nothing to complain of");

    // A call with a path, a query and a body; what comes back is shown as text and never run.
    browser.eval(
        "document.getElementById('find').value = ''; document.getElementById('find').dispatchEvent(new Event('input'))",
    );
    browser.eval("document.querySelector('#post_api_v1_orgs').open = true");
    browser.until("document.querySelector('#post_api_v1_orgs textarea') !== null");
    assert_eq!(
        browser.eval("JSON.parse(document.querySelector('#post_api_v1_orgs textarea').value)"),
        json!({ "id": "", "name": "" })
    );
    browser.eval(
        "document.querySelector('#post_api_v1_orgs textarea').value = \
         JSON.stringify({ id: 'acme', name: '<img src=x onerror=document.title=1>' }); \
         document.querySelector('#post_api_v1_orgs button').click()",
    );
    browser.until(
        "/^POST \\/api\\/v1\\/orgs\\n201 /.test(document.querySelector('#post_api_v1_orgs .inner > pre').textContent)",
    );
    browser.eval("document.querySelector('#get_api_v1_trust_party').open = true");
    browser.until("document.querySelector('#get_api_v1_trust_party input') !== null");
    browser.eval(
        "document.querySelector('#get_api_v1_trust_party input').value = 'org:acme'; \
         document.querySelector('#get_api_v1_trust_party button').click()",
    );
    browser.until("document.querySelector('#get_api_v1_trust_party .inner > pre').textContent.includes('<img src=x')");
    assert_eq!(browser.eval("document.images.length"), 0);
    assert_eq!(browser.complaints, Vec::<String>::new(), "nothing to complain of");

    // The policy holds: neither what is written into the page nor another server's script runs.
    let broken = browser.eval(
        "new Promise((done) => {
           const seen = [];
           document.addEventListener('securitypolicyviolation', (event) => {
             seen.push(event.effectiveDirective);
             if (seen.length === 3) done(seen.sort().join());
           });
           const inline = document.createElement('script');
           inline.textContent = 'document.title = 1';
           const other = document.createElement('script');
           other.src = 'https://evil.test/x.js';
           const button = document.createElement('button');
           button.setAttribute('onclick', 'document.title = 1');
           document.body.append(inline, other, button);
           button.click();
           setTimeout(() => done(seen.sort().join()), 5000);
         })",
    );
    assert_eq!(broken, "script-src-attr,script-src-elem,script-src-elem");
    assert_eq!(browser.eval("document.title"), "Data exchange dex.test");
}
