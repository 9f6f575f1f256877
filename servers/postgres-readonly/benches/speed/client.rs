//! The cheapest client: one thread, blocking pipes, answers told apart by their id without being parsed.

use std::{
    collections::VecDeque,
    fs,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::Contender;

pub struct Client {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    contender: Contender,
    next_id: u64,
    pub last_failure: String,
}

/// Times in milliseconds.
pub struct Figures {
    pub p50: f64,
    pub p99: f64,
    pub per_second: f64,
    pub calls: u64,
    pub failed: u64,
}

impl Client {
    /// Starts the server and does the handshake.
    pub fn start(contender: &Contender) -> Self {
        let mut client = Self::spawn(contender);
        client.handshake();
        if let Some(before) = &contender.before {
            let line = client.ask(
                "tools/call",
                &json!({"name": before.tool, "arguments": before.arguments}),
            );
            let answer: Value = serde_json::from_str(&line).unwrap();
            let text = answer["result"]["content"][0]["text"].clone();
            client.contender.arguments.insert(before.answer.clone(), text);
        }
        client
    }

    /// Returns the milliseconds from the start of the process to its list of tools, which is read and not parsed.
    pub fn cold_start(contender: &Contender) -> f64 {
        let started = Instant::now();
        let mut client = Self::spawn(contender);
        client.handshake();
        client.ask("tools/list", &json!({}));
        started.elapsed().as_secs_f64() * 1e3
    }

    /// Returns how many tools there are and how many bytes their list takes.
    pub fn tools(&mut self) -> (usize, usize) {
        let line = self.ask("tools/list", &json!({}));
        let answer: Value = serde_json::from_str(&line).unwrap();
        (answer["result"]["tools"].as_array().unwrap().len(), line.len())
    }

    /// Makes so many calls, of which so many are under way at once.
    pub fn run(&mut self, sql: &str, calls: u64, in_flight: usize) -> Figures {
        self.load(sql, in_flight, |made| made < calls)
    }

    pub fn run_for(&mut self, sql: &str, time: Duration, in_flight: usize) -> Figures {
        let deadline = Instant::now() + time;
        self.load(sql, in_flight, |_| Instant::now() < deadline)
    }

    pub fn calls(&self) -> u64 {
        self.next_id
    }

    /// Returns the processor time that the server and its threads have used, in microseconds.
    pub fn cpu_us(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/schedstat", self.child.id())).unwrap();
        let main: f64 = stat.split(' ').next().unwrap().parse().unwrap();
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let others = tasks.filter_map(|task| {
            let path = task.ok()?.path();
            if path.ends_with(self.child.id().to_string()) {
                return None;
            }
            let stat = fs::read_to_string(path.join("schedstat")).ok()?;
            stat.split(' ').next()?.parse::<f64>().ok()
        });
        (main + others.sum::<f64>()) / 1e3
    }

    pub fn rss_mib(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        let kib: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib / 1024.0
    }

    fn load(&mut self, sql: &str, in_flight: usize, go_on: impl Fn(u64) -> bool) -> Figures {
        let mut arguments = self.contender.arguments.clone();
        arguments.insert(self.contender.argument.clone(), sql.into());
        let params = json!({"name": self.contender.tool, "arguments": arguments}).to_string();
        let mut under_way: VecDeque<(u64, Instant)> = VecDeque::new();
        let mut times: Vec<f64> = Vec::new();
        let (mut made, mut failed) = (0, 0);
        let started = Instant::now();
        let mut line = String::new();
        loop {
            let mut out = String::new();
            while under_way.len() < in_flight && go_on(made) {
                self.next_id += 1;
                out += &request(self.next_id, "tools/call", &params);
                under_way.push_back((self.next_id, Instant::now()));
                made += 1;
            }
            self.stdin.write_all(out.as_bytes()).unwrap();
            if under_way.is_empty() {
                break;
            }
            // What has come already is taken before anything new is asked.
            loop {
                line.clear();
                assert!(self.stdout.read_line(&mut line).unwrap() > 0, "the server is gone");
                if let Some(at) = id_of(&line).and_then(|id| under_way.iter().position(|(asked, _)| *asked == id)) {
                    let (_, since) = under_way.remove(at).unwrap();
                    times.push(since.elapsed().as_secs_f64() * 1e3);
                    if line.contains("\"isError\":true") || line.contains("\"error\":{") {
                        failed += 1;
                        self.last_failure = line.chars().take(300).collect();
                    }
                }
                if !self.stdout.buffer().contains(&b'\n') {
                    break;
                }
            }
        }
        let per_second = times.len() as f64 / started.elapsed().as_secs_f64();
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
        Figures {
            p50: at(0.5),
            p99: at(0.99),
            per_second,
            calls: times.len() as u64,
            failed,
        }
    }

    fn spawn(contender: &Contender) -> Self {
        let mut child = Command::new(&contender.command[0])
            .args(&contender.command[1..])
            .envs(&contender.env)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{:?}: {error}", contender.command));
        let stdin = child.stdin.take().unwrap();
        let stdout = BufReader::with_capacity(1 << 16, child.stdout.take().unwrap());
        Self {
            child,
            stdin,
            stdout,
            contender: contender.clone(),
            next_id: 0,
            last_failure: String::new(),
        }
    }

    fn handshake(&mut self) {
        let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}});
        self.ask("initialize", &hello);
        self.stdin
            .write_all(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n")
            .unwrap();
    }

    fn ask(&mut self, method: &str, params: &Value) -> String {
        self.next_id += 1;
        let request = request(self.next_id, method, &params.to_string());
        self.stdin.write_all(request.as_bytes()).unwrap();
        let mut line = String::new();
        while id_of(&line) != Some(self.next_id) {
            line.clear();
            assert!(self.stdout.read_line(&mut line).unwrap() > 0, "the server is gone");
        }
        line
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn request(id: u64, method: &str, params: &str) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\",\"params\":{params}}}\n")
}

/// The id stands first or last: no server writes it into the middle.
fn id_of(line: &str) -> Option<u64> {
    let number = |text: &str| {
        let digits = text.trim_start();
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        digits[..end].parse().ok()
    };
    let head = line.get(..60.min(line.len())).unwrap_or(line);
    let found = head.find("\"id\":").and_then(|at| number(&line[at + 5..]));
    found.or_else(|| line.rfind("\"id\":").and_then(|at| number(&line[at + 5..])))
}
