//! A replication slot that nobody reads keeps WAL until the disk is full.

use incident::RootCause;

use super::{Assessment, Case, confidence, ruled, signal};
use crate::telemetry::{Slot, Telemetry};
use crate::thresholds::Thresholds;

const CAUSE: RootCause = RootCause::InactiveReplicationSlot;

pub(super) fn assess(telemetry: &Telemetry, thresholds: &Thresholds) -> Assessment {
    let Some(replication) = &telemetry.replication else {
        return Assessment::Blind {
            cause: CAUSE,
            tool: "replication",
        };
    };
    let slots = replication.value.slots.iter().enumerate();
    let kept = |slot: &Slot| slot.retained_wal_bytes.unwrap_or(0);
    let worst = slots
        .filter(|(_, slot)| !slot.active && !slot.temporary)
        .max_by_key(|(_, slot)| kept(slot));
    let Some((at, slot)) = worst else {
        return ruled(
            CAUSE,
            &replication.id,
            "every replication slot is in use, or there is none",
        );
    };
    let bytes = kept(slot);
    let status = slot.wal_status.as_deref().unwrap_or("unknown");
    let endangered = matches!(status, "extended" | "unreserved" | "lost");
    let holds_horizon = telemetry.horizon.as_ref().is_some_and(|horizon| {
        let mut holders = horizon.value.holders.iter();
        holders.any(|holder| {
            holder.holds_tables_back()
                && holder.slot_name.as_ref() == Some(&slot.slot_name)
                && holder.xmin_age >= thresholds.holder_min_xids
        })
    });
    Case {
        cause: CAUSE,
        evidence: &replication.id,
        confidence_pct: confidence(
            35,
            &[
                (bytes >= thresholds.slot_keeps_bytes, 30),
                (bytes >= thresholds.slot_keeps_much_bytes, 15),
                (endangered, 20),
                (holds_horizon, 25),
            ],
        ),
        explanation: format!(
            "Replication slot `{}` is read by nobody, and the server keeps {bytes} bytes of WAL for it, more with every \
             write. If its consumer cannot be brought back, only dropping the slot gives the space back.",
            slot.slot_name,
        ),
        signals_for: vec![signal(
            &replication.id,
            format!(
                "slot `{}` is inactive and keeps {bytes} bytes of WAL ({status})",
                slot.slot_name
            ),
        )],
        signals_against: Vec::new(),
        object: Some(("slot", format!("/slots/{at}"))),
    }
    .weigh(thresholds)
}
