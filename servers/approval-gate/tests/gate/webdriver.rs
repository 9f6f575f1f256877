//! A real Chromium, driven by chromedriver over the W3C WebDriver protocol, with a virtual authenticator.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

const PATIENCE: Duration = Duration::from_secs(30);
/// The name under which WebDriver hands out elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// One chromedriver, with as many browsers as are asked for.
pub struct Driver {
    child: Child,
    url: String,
    http: Client,
}

/// One person's browser and authenticator.
pub struct Browser {
    http: Client,
    session: String,
    authenticator: String,
}

impl Driver {
    pub async fn start() -> Self {
        let mut child = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("chromedriver, which `make deps` installs: {error}"));
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let listening = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if let Some((_, port)) = line.split_once("started successfully on port ") {
                    return port.trim_end_matches('.').to_owned();
                }
            }
            panic!("chromedriver ended before it listened")
        };
        let port = tokio::time::timeout(PATIENCE, listening).await.unwrap();
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self {
            child,
            url: format!("http://localhost:{port}"),
            http: Client::new(),
        }
    }

    /// A browser whose authenticator verifies its person, like a fingerprint reader that always knows the finger.
    pub async fn browser(&self) -> Browser {
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--lang=en",
        ];
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "webauthn:virtualAuthenticators": true,
            "goog:chromeOptions": {"args": arguments},
        }}});
        let answer = send(&self.http, Method::POST, &format!("{}/session", self.url), &wanted).await;
        let id = answer["sessionId"].as_str().unwrap();
        let mut browser = Browser {
            http: self.http.clone(),
            session: format!("{}/session/{id}", self.url),
            authenticator: String::new(),
        };
        let authenticator = json!({
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": true, "hasUserVerification": true,
            "isUserConsenting": true, "isUserVerified": true,
        });
        let id = browser.post("webauthn/authenticator", &authenticator).await;
        id.as_str().unwrap().clone_into(&mut browser.authenticator);
        browser
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // The browsers are its children; each ends with its group.
        if let Some(pid) = self.child.id() {
            let _ = std::process::Command::new("kill")
                .args(["-KILL", "--", &format!("-{pid}")])
                .status();
        }
    }
}

impl Browser {
    pub async fn open(&self, url: &str) {
        self.post("url", &json!({"url": url})).await;
    }

    pub async fn url(&self) -> String {
        self.get("url").await.as_str().unwrap().to_owned()
    }

    /// Clicks what somebody sees under this name: a button, or a link.
    pub async fn click(&self, label: &str) {
        let xpath = format!("//button[normalize-space()='{label}'] | //a[normalize-space()='{label}']");
        loop {
            let element = self.wait_for("xpath", &xpath).await;
            let url = format!("{}/element/{element}/click", self.session);
            let clicked = ask(&self.http, Method::POST, &url, &json!({})).await;
            // A page that loads itself again may do so between the two.
            if clicked["error"] != "stale element reference" {
                assert!(clicked["error"].is_null(), "{label}: {clicked}");
                return;
            }
        }
    }

    pub async fn type_into(&self, css: &str, text: &str) {
        let element = self.wait_for("css selector", css).await;
        self.post(&format!("element/{element}/value"), &json!({"text": text}))
            .await;
    }

    pub async fn has(&self, label: &str) -> bool {
        let xpath = format!("//button[normalize-space()='{label}'] | //a[normalize-space()='{label}']");
        !self.find("xpath", &xpath).await.is_empty()
    }

    /// The text of the page, as somebody reads it.
    pub async fn text(&self) -> String {
        let script = "return document.body ? document.body.innerText : ''";
        self.run(script).await.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the page says so, whether it gets there by itself or by another page.
    pub async fn sees(&self, text: &str) {
        let began = Instant::now();
        loop {
            let page = self.text().await;
            if page.contains(text) {
                return;
            }
            assert!(
                began.elapsed() < PATIENCE,
                "no `{text}` at {}:\n{page}",
                self.url().await
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub async fn run(&self, script: &str) -> Value {
        self.post("execute/sync", &json!({"script": script, "args": []})).await
    }

    /// Whether the authenticator recognises its person from now on.
    pub async fn recognise(&self, yes: bool) {
        let path = format!("webauthn/authenticator/{}/uv", self.authenticator);
        self.post(&path, &json!({"isUserVerified": yes})).await;
    }

    /// Every passkey of the authenticator, with its private half.
    pub async fn credentials(&self) -> Vec<Value> {
        let path = format!("webauthn/authenticator/{}/credentials", self.authenticator);
        self.get(&path).await.as_array().unwrap().clone()
    }

    pub async fn receive(&self, credentials: Vec<Value>) {
        let path = format!("webauthn/authenticator/{}/credential", self.authenticator);
        for credential in credentials {
            self.post(&path, &credential).await;
        }
    }

    /// The page as a picture, wide and narrow, where somebody wants to look at it.
    pub async fn picture(&self, name: &str) {
        let Some(folder) = std::env::var_os("COUNTERSIGN_PICTURES").map(PathBuf::from) else {
            return;
        };
        for (kind, width, height) in [("desktop", 1280, 900), ("phone", 390, 844)] {
            let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500});
            self.devtools("Emulation.setDeviceMetricsOverride", &size).await;
            let shot = self
                .devtools("Page.captureScreenshot", &json!({"captureBeyondViewport": true}))
                .await;
            let png = BASE64_STANDARD.decode(shot["data"].as_str().unwrap()).unwrap();
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(format!("{name}-{kind}.png")), png).unwrap();
        }
        self.devtools("Emulation.clearDeviceMetricsOverride", &json!({})).await;
    }

    async fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.post("goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
            .await
    }

    async fn wait_for(&self, using: &str, value: &str) -> String {
        let began = Instant::now();
        loop {
            if let Some(element) = self.find(using, value).await.first() {
                return element[ELEMENT].as_str().unwrap().to_owned();
            }
            assert!(
                began.elapsed() < PATIENCE,
                "no `{value}` at {}:\n{}",
                self.url().await,
                self.text().await
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn find(&self, using: &str, value: &str) -> Vec<Value> {
        let found = self.post("elements", &json!({"using": using, "value": value})).await;
        found.as_array().unwrap().clone()
    }

    async fn get(&self, path: &str) -> Value {
        send(
            &self.http,
            Method::GET,
            &format!("{}/{path}", self.session),
            &Value::Null,
        )
        .await
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        send(&self.http, Method::POST, &format!("{}/{path}", self.session), body).await
    }
}

async fn send(http: &Client, method: Method, url: &str, body: &Value) -> Value {
    let value = ask(http, method, url, body).await;
    assert!(value["error"].is_null(), "{url}: {value}");
    value
}

async fn ask(http: &Client, method: Method, url: &str, body: &Value) -> Value {
    let mut request = http.request(method, url).timeout(PATIENCE);
    if !body.is_null() {
        request = request.json(body);
    }
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    answer["value"].clone()
}
