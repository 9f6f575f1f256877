//! A parameter, set and set back, on the emulator. It enforces nothing here: of parameter groups it does not know the ARNs.

use rds::Probe;
use serde_json::{Value, json};

use crate::emulator::{ACCOUNT, Emulator};
use crate::scene::{Operator, ago, call, identity};

#[tokio::test]
async fn a_parameter_is_set_seen_and_set_back() {
    let emulator = Emulator::start(false);
    let operator = Operator::new("test", "test");
    emulator.admin(
        "rds",
        "create_db_parameter_group",
        json!({"DBParameterGroupName": "orders-pg16", "DBParameterGroupFamily": "postgres16", "Description": "orders"}),
    );
    let orders = emulator.instance("orders-1", json!({"DBParameterGroupName": "orders-pg16"}));
    let identity = identity(ACCOUNT, &[("orders-1", &orders)], None);
    let name = modifiable(&emulator);
    let parameter =
        json!({"DBParameterGroupName": "orders-pg16", "ParameterName": name, "ApplyMethod": "pending-reboot"});
    let mut set = parameter.clone();
    set.as_object_mut()
        .unwrap()
        .insert("ParameterValue".to_owned(), json!("321"));
    let (set, reset) = (
        call("ModifyDBParameterGroup", set),
        call("ResetDBParameterGroup", parameter),
    );

    let rds = operator.rds(&emulator.url(), ACCOUNT, &set).await;
    let before = rds.before(&set, &identity).await.unwrap();
    assert_eq!(
        rds.before(&reset, &identity).await.unwrap_err().code(),
        "precondition_changed"
    );
    let (since, now) = ago(120);
    assert_eq!(rds.probe(&set, &before, since, now).await.unwrap(), Probe::NotDone);
    rds.send(&set).await.unwrap();
    assert_eq!(rds.probe(&set, &before, since, now).await.unwrap(), Probe::Done);

    let before = rds.before(&reset, &identity).await.unwrap();
    assert_eq!(
        serde_json::to_value(&before).unwrap(),
        json!({"ParameterValue": "321", "Source": "user"})
    );
    rds.send(&reset).await.unwrap();
    assert_eq!(rds.probe(&reset, &before, since, now).await.unwrap(), Probe::Done);
}

/// A parameter that this emulator lets be changed to a number.
fn modifiable(emulator: &Emulator) -> String {
    let found = emulator.admin(
        "rds",
        "describe_db_parameters",
        json!({"DBParameterGroupName": "orders-pg16"}),
    );
    let all = found.pointer("/Parameters").and_then(Value::as_array).unwrap();
    let names = all.iter().filter(|one| one.get("IsModifiable") == Some(&json!(true)));
    let mut names = names.filter_map(|one| one.get("ParameterName")?.as_str());
    names
        .find(|name| *name == "max_connections")
        .unwrap_or_else(|| panic!("{all:?}"))
        .to_owned()
}
