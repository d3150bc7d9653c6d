//! `highwater tier cost`: what the requests of a broker and what it keeps in the store cost at list prices.

use serde::Serialize;

use super::super::admin_client::AdminClient;
use super::super::arguments::{Prices, TierCostArguments};
use super::super::exit::Exit;
use super::super::words::{cell, size, table};
use super::Failure;
use crate::broker::{TierRequests, TierStatus};
use crate::store::Operation;

const GIB: f64 = (1_u64 << 30) as f64;
/// Of less nothing is told for each GiB: the first look at a bucket would be most of it.
const RATIO_BYTES_MIN: u64 = 64 << 20;
const HEADS: [&str; 6] = ["REQUESTS", "CLASS", "COUNT", "NOT DONE", "BYTES", "COST"];
const NUMBERS: [bool; 6] = [false, false, true, true, true, true];

/// Does what was asked for.
pub(super) async fn cost(arguments: &TierCostArguments) -> Result<Exit, Failure> {
    let status = super::asked(&AdminClient::new(&arguments.admin.admin)?).await?;
    let cost = Cost::of(&status, &arguments.prices);
    super::print(&match arguments.admin.json {
        true => serde_json::to_string(&cost)? + "\n",
        false => cost.words(&arguments.prices),
    })
}

/// How a kind of request is paid for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Class {
    Put,
    Get,
    Free,
}

impl Class {
    /// As S3 has it; a kind that is not known is taken for the dearest.
    fn of(operation: &str) -> Class {
        let known = Operation::ALL.iter().find(|known| known.name() == operation);
        match known {
            Some(Operation::Get | Operation::Head) => Class::Get,
            Some(Operation::Delete | Operation::AbortParts) => Class::Free,
            _ => Class::Put,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Class::Put => "PUT",
            Class::Get => "GET",
            Class::Free => "free",
        }
    }
}

/// Requests of one kind.
#[derive(Clone, PartialEq, Debug, Serialize)]
struct Kind {
    operation: String,
    class: Class,
    count: u64,
    /// Those that did not end as asked; they are in `count`.
    not_done: u64,
    bytes: u64,
    cost: f64,
}

/// Since the broker's start, in the currency of the prices.
#[derive(Clone, PartialEq, Debug, Serialize)]
struct Cost {
    store: String,
    kinds: Vec<Kind>,
    requests_cost: f64,
    /// Of bytes that were read.
    read_cost: f64,
    written_bytes: u64,
    read_bytes: u64,
    /// Requests of class PUT for each GiB written; `null` where less than 64 MiB were.
    puts_per_gib_written: Option<f64>,
    cost_per_gib_written: Option<f64>,
    gets_per_gib_read: Option<f64>,
    cost_per_gib_read: Option<f64>,
    /// Record batches that lie there; their indexes and manifests are not counted.
    stored_bytes: u64,
    /// Partitions of which that is not known, as nobody has asked the store since the start.
    partitions_unknown: usize,
    storage_cost_per_month: f64,
}

impl Cost {
    fn of(status: &TierStatus, prices: &Prices) -> Cost {
        let kinds = kinds(&status.requests, prices);
        let sum = |class: Class, of: fn(&Kind) -> f64| -> f64 {
            kinds.iter().filter(|kind| kind.class == class).map(of).sum()
        };
        let bytes =
            |class: Class| kinds.iter().filter(|kind| kind.class == class).map(|kind| kind.bytes).sum();
        let (written_bytes, read_bytes): (u64, u64) = (bytes(Class::Put), bytes(Class::Get));
        let per_gib =
            |amount: f64, bytes: u64| (bytes >= RATIO_BYTES_MIN).then(|| amount / (bytes as f64 / GIB));
        let read_cost = read_bytes as f64 / GIB * prices.read_price;
        let (puts_cost, gets_cost) = (sum(Class::Put, |kind| kind.cost), sum(Class::Get, |kind| kind.cost));
        let stored_bytes = status.partitions.iter().filter_map(|partition| partition.remote_bytes).sum();
        Cost {
            store: status.store.clone(),
            requests_cost: puts_cost + gets_cost,
            read_cost,
            written_bytes,
            read_bytes,
            puts_per_gib_written: per_gib(sum(Class::Put, |kind| kind.count as f64), written_bytes),
            cost_per_gib_written: per_gib(puts_cost, written_bytes),
            gets_per_gib_read: per_gib(sum(Class::Get, |kind| kind.count as f64), read_bytes),
            cost_per_gib_read: per_gib(gets_cost + read_cost, read_bytes),
            stored_bytes,
            partitions_unknown: status.partitions.iter().filter(|told| told.remote_bytes.is_none()).count(),
            storage_cost_per_month: stored_bytes as f64 / GIB * prices.storage_price,
            kinds,
        }
    }

    fn words(&self, prices: &Prices) -> String {
        let rows: Vec<_> = self.kinds.iter().map(row).collect();
        let mut text = format!("{}, since the broker's start\n", cell(&self.store));
        text += &table(&HEADS, &NUMBERS, &rows);
        let per_gib = |requests: Option<f64>, cost: Option<f64>| match requests.zip(cost) {
            Some((requests, cost)) => format!("{requests:.1} requests and {} for each GiB", money(cost)),
            None => "too little to tell what a GiB costs".to_owned(),
        };
        text += &format!(
            "\ncost      {} for requests, {} for bytes that were read\n\
             written   {}: {}\nread      {}: {}\nstored    {}: {} a month\n",
            money(self.requests_cost),
            money(self.read_cost),
            size(self.written_bytes),
            per_gib(self.puts_per_gib_written, self.cost_per_gib_written),
            size(self.read_bytes),
            per_gib(self.gets_per_gib_read, self.cost_per_gib_read),
            size(self.stored_bytes),
            money(self.storage_cost_per_month),
        );
        if self.partitions_unknown > 0 {
            text += &format!("of {} more partitions it is not known yet\n", self.partitions_unknown);
        }
        text += &format!(
            "prices: {} for 1,000 of class PUT, {} of GET, {} for a GiB read, {} for a GiB kept a month\n",
            prices.put_price, prices.get_price, prices.read_price, prices.storage_price,
        );
        text + "(by default those of S3 Standard in us-east-1, as listed in 2025, in dollars: --put-price, \
                --get-price, --read-price, --storage-price)\n"
    }
}

fn row(kind: &Kind) -> [String; 6] {
    [
        cell(&kind.operation),
        kind.class.name().to_owned(),
        kind.count.to_string(),
        kind.not_done.to_string(),
        size(kind.bytes),
        money(kind.cost),
    ]
}

/// Small amounts are what one looks at here.
fn money(amount: f64) -> String {
    if amount == 0.0 || amount >= 1.0 { format!("{amount:.2}") } else { format!("{amount:.6}") }
}

/// By kind, in the order in which they were told.
fn kinds(requests: &[TierRequests], prices: &Prices) -> Vec<Kind> {
    let mut kinds = Vec::<Kind>::new();
    for told in requests {
        let at = kinds.iter().position(|kind| kind.operation == told.operation).unwrap_or_else(|| {
            let (operation, class) = (told.operation.clone(), Class::of(&told.operation));
            kinds.push(Kind { operation, class, count: 0, not_done: 0, bytes: 0, cost: 0.0 });
            kinds.len() - 1
        });
        kinds[at].count += told.count;
        kinds[at].bytes += told.bytes;
        kinds[at].not_done += if told.result == "done" { 0 } else { told.count };
    }
    for kind in &mut kinds {
        let price = match kind.class {
            Class::Put => prices.put_price,
            Class::Get => prices.get_price,
            Class::Free => 0.0,
        };
        kind.cost = kind.count as f64 / 1000.0 * price;
    }
    kinds
}

#[cfg(test)]
mod tests;
