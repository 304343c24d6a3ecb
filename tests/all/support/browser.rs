//! A real browser for one test: Debian's chromium without a window, driven over its debugging pipe (the DevTools protocol:
//! JSON, each message ended by a zero byte, in on descriptor 3 and out on 4).

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything may take.
const WITHIN: Duration = Duration::from_secs(60);

/// Lightness of a colour between 0 and 1, and by it the contrast of two (WCAG 2).
pub const CONTRAST: &str = "((of) => {
  const parts = (text) => text.match(/[\\d.]+/g).slice(0, 3).map((n) => n / 255);
  const light = (text) => {
    const [r, g, b] = parts(text).map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if (!/, 0\\)$/.test(color) && color !== 'transparent') return color;
    }
    return 'rgb(255, 255, 255)';
  };
  return Math.min(...[...document.querySelectorAll(of)].filter((it) => it.offsetParent).map((it) => {
    const [a, b] = [light(getComputedStyle(it).color), light(behind(it))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  }));
})";

/// A browser with one page. Dropping it ends it.
pub struct Browser {
    child: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    last: u64,
    session: String,
    /// What the page wrote on its console, and what the browser complained of.
    pub complaints: Vec<String>,
    _folder: TempDir,
}

impl Browser {
    /// Starts one with an empty page.
    pub fn start() -> Browser {
        let folder = tempfile::tempdir().expect("a folder");
        // The shell puts the pipe where the browser expects it, and goes.
        let mut child = Command::new("sh")
            .args(["-c", "exec chromium \"$@\" 3<&0 4>&1 0</dev/null 1>/dev/null 2>/dev/null", "chromium"])
            .args(["--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--no-first-run"])
            .args(["--disable-dev-shm-usage", "--disable-background-networking", "--no-proxy-server", "--lang=en"])
            .arg(format!("--user-data-dir={}", folder.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh starts");
        let to = child.stdin.take().expect("piped");
        let out = BufReader::new(child.stdout.take().expect("piped"));
        let (said, from) = channel();
        std::thread::spawn(move || {
            for message in out.split(0).map_while(Result::ok) {
                // The test may be over.
                let _ = said.send(serde_json::from_slice(&message).expect("the browser speaks JSON"));
            }
        });
        let mut browser =
            Browser { child, to, from, last: 0, session: String::new(), complaints: Vec::new(), _folder: folder };
        let targets = browser.ask("Target.getTargets", json!({}));
        let page = targets["targetInfos"].as_array().expect("a list").iter().find(|it| it["type"] == "page");
        let page =
            page.expect("chromium opens a page; install it with tools/install-debian chromium")["targetId"].clone();
        let attached = browser.ask("Target.attachToTarget", json!({ "targetId": page, "flatten": true }));
        browser.session = attached["sessionId"].as_str().expect("text").to_owned();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.ask(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Says something to the browser and waits for its answer.
    pub fn ask(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let mut message = json!({ "id": self.last, "method": method, "params": params });
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).expect("chromium runs; install it with tools/install-debian chromium");
        let deadline = Instant::now() + WITHIN;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let said = self.from.recv_timeout(left).unwrap_or_else(|error| {
                panic!("chromium did not answer {method} ({error}); is it installed? tools/install-debian chromium")
            });
            if said["id"] == self.last {
                assert!(said.get("error").is_none(), "{method}: {said}");
                return said["result"].clone();
            }
            self.hear(&said);
        }
    }

    /// Keeps what a good page never gives rise to.
    fn hear(&mut self, said: &Value) {
        let params = &said["params"];
        match said["method"].as_str() {
            Some("Runtime.exceptionThrown") => self.complaints.push(format!("thrown: {}", params["exceptionDetails"])),
            Some("Runtime.consoleAPICalled") => self.complaints.push(format!("console: {}", params["args"])),
            // Not its advice, such as to put a field for a secret into a form.
            Some("Log.entryAdded") if params["entry"]["level"] != "verbose" => {
                self.complaints.push(format!("log: {}", params["entry"]))
            }
            // What the page itself gave up, such as a stream that it no longer needs, was not lost.
            Some("Network.loadingFailed") if params["canceled"] != true => {
                self.complaints.push(format!("not loaded: {params}"))
            }
            _ => {}
        }
    }

    /// The value of an expression in the page; promises are waited for.
    pub fn eval(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let done = self.ask("Runtime.evaluate", params);
        assert!(done.get("exceptionDetails").is_none(), "{expression}: {done}");
        done["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    pub fn until(&mut self, expression: &str) {
        let deadline = Instant::now() + WITHIN;
        while self.eval(expression) != true {
            assert!(Instant::now() < deadline, "never came: {expression}; {:?}", self.complaints);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Opens an address.
    pub fn open(&mut self, url: &str) {
        let done = self.ask("Page.navigate", json!({ "url": url }));
        assert!(done.get("errorText").is_none(), "{done}");
        self.until("document.readyState === 'complete'");
    }

    /// Makes the window so wide, and asks for a light or dark page.
    pub fn look(&mut self, width: u32, height: u32, dark: bool) {
        let phone = width < 600;
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone });
        self.ask("Emulation.setDeviceMetricsOverride", size);
        let scheme = if dark { "dark" } else { "light" };
        self.ask(
            "Emulation.setEmulatedMedia",
            json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] }),
        );
    }

    /// Runs a script before anything else on every page that is opened from now on.
    pub fn before(&mut self, script: &str) {
        self.ask("Page.addScriptToEvaluateOnNewDocument", json!({ "source": script }));
    }

    /// Forgets complaints with this text, which the test has asked for.
    pub fn forgive(&mut self, text: &str) {
        self.complaints.retain(|complaint| !complaint.contains(text));
    }

    /// Presses and releases a key: `Tab`, `Enter`, `Escape`, or a character.
    pub fn press(&mut self, key: &str) {
        let (text, code) = match key {
            "Enter" => ("\r".to_owned(), 13),
            "Tab" => (String::new(), 9),
            "Escape" => (String::new(), 27),
            " " => (" ".to_owned(), 32),
            plain => (plain.to_owned(), 0),
        };
        let kind = if text.is_empty() { "rawKeyDown" } else { "keyDown" };
        let key = json!({ "type": kind, "key": key, "code": key, "text": text, "windowsVirtualKeyCode": code });
        self.ask("Input.dispatchKeyEvent", key.clone());
        let mut up = key;
        up["type"] = json!("keyUp");
        up["text"] = json!("");
        self.ask("Input.dispatchKeyEvent", up);
    }

    /// Types a text, key by key.
    pub fn write(&mut self, text: &str) {
        for letter in text.chars() {
            self.press(&letter.to_string());
        }
    }

    /// Writes a picture of the page to a file.
    #[allow(dead_code)]
    pub fn picture(&mut self, file: &Path) {
        let shot = self.ask("Page.captureScreenshot", json!({ "format": "png" }));
        let bytes = data_encoding::BASE64.decode(shot["data"].as_str().expect("text").as_bytes()).expect("Base64");
        std::fs::write(file, bytes).expect("written");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Asked to close it ends its helpers itself; killed, they would see the pipe end and follow.
        self.last += 1;
        let mut bytes = json!({ "id": self.last, "method": "Browser.close" }).to_string().into_bytes();
        bytes.push(0);
        let _ = self.to.write_all(&bytes);
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
