//! The emulator in a process of its own, with the account that the tests need in it.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::scene::Operator;
use crate::support::{python, repository};

pub struct Emulator {
    process: Child,
    admin: Mutex<Admin>,
    operator: OnceLock<Operator>,
    port: u16,
}

/// The account's owner, who makes what the tests need.
struct Admin {
    process: Child,
    calls: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// The one that enforces IAM, as long as any test has it.
static SHARED: Mutex<Weak<Emulator>> = Mutex::new(Weak::new());

pub const ACCOUNT: &str = "000000000000";

impl Emulator {
    /// Returns the one that enforces IAM. Tests share it, so each has names of its own.
    pub fn enforcing() -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let started = Arc::new(Self::start(true));
            *shared = Arc::downgrade(&started);
            started
        })
    }

    pub fn start(enforce_iam: bool) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new(python().with_file_name("ministack"))
            .env("GATEWAY_PORT", port.to_string())
            .env("BIND_HOST", "127.0.0.1")
            .env("AUTH", enforce_iam.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let end = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < end, "the emulator does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        let admin = Mutex::new(Admin::start(port));
        Self {
            process,
            admin,
            operator: OnceLock::new(),
            port,
        }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Makes a call as the account's owner, and returns its answer.
    pub fn admin(&self, service: &str, operation: &str, parameters: Value) -> Value {
        let mut admin = self.admin.lock().unwrap_or_else(PoisonError::into_inner);
        admin.ask(&json!([service, operation, parameters]))
    }

    /// A user who may do nothing but assume the role, and a role that may do all that a session policy could allow.
    pub fn operator(&self) -> &Operator {
        self.operator.get_or_init(|| self.make_operator())
    }

    fn make_operator(&self) -> Operator {
        let (name, user) = ("countersign", "executor-base");
        let role = format!("arn:aws:iam::{ACCOUNT}:role/{name}");
        let policy = |action: &str, resource: &str| {
            json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource}]})
                .to_string()
        };
        let trust = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:user/{user}")},
            "Action": ["sts:AssumeRole", "sts:SetSourceIdentity"],
        }]});
        self.admin(
            "iam",
            "create_role",
            json!({"RoleName": name, "AssumeRolePolicyDocument": trust.to_string()}),
        );
        self.admin(
            "iam",
            "put_role_policy",
            json!({"RoleName": name, "PolicyName": "rds", "PolicyDocument": policy("rds:*", "*")}),
        );
        self.admin("iam", "create_user", json!({"UserName": user}));
        self.admin(
            "iam",
            "put_user_policy",
            json!({"UserName": user, "PolicyName": "assume", "PolicyDocument": policy("sts:AssumeRole", &role)}),
        );
        let made = self.admin("iam", "create_access_key", json!({"UserName": user}));
        let field = |name: &str| {
            made.pointer(&format!("/AccessKey/{name}"))
                .and_then(Value::as_str)
                .unwrap()
        };
        Operator::new(field("AccessKeyId"), field("SecretAccessKey"))
    }

    /// Makes an instance, and returns its resource id.
    pub fn instance(&self, name: &str, more: Value) -> String {
        let mut parameters = json!({
            "DBInstanceIdentifier": name, "DBInstanceClass": "db.m6g.large", "Engine": "postgres", "AllocatedStorage": 100,
            "MasterUsername": "postgres", "MasterUserPassword": "not-a-secret",
        });
        let fields = parameters.as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        if fields.contains_key("DBClusterIdentifier") {
            for name in ["AllocatedStorage", "MasterUsername", "MasterUserPassword"] {
                fields.remove(name);
            }
        }
        let made = self.admin("rds", "create_db_instance", parameters);
        let id = made
            .pointer("/DBInstance/DbiResourceId")
            .and_then(Value::as_str)
            .unwrap();
        id.to_owned()
    }

    /// Returns what RDS says of an instance.
    pub fn look(&self, name: &str, field: &str) -> Value {
        let found = self.admin("rds", "describe_db_instances", json!({"DBInstanceIdentifier": name}));
        found
            .pointer(&format!("/DBInstances/0/{field}"))
            .cloned()
            .unwrap_or(Value::Null)
    }
}

impl Admin {
    fn start(port: u16) -> Self {
        let mut process = Command::new(python())
            .arg(repository().join("tests/aws/aws_call.py"))
            .arg(format!("http://127.0.0.1:{port}"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            calls: process.stdin.take().unwrap(),
            answers: BufReader::new(process.stdout.take().unwrap()),
            process,
        }
    }

    fn ask(&mut self, call: &Value) -> Value {
        writeln!(self.calls, "{call}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{call} was refused"))
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let admin = self.admin.get_mut().unwrap_or_else(PoisonError::into_inner);
        for process in [&mut admin.process, &mut self.process] {
            drop(process.kill());
            drop(process.wait());
        }
    }
}
