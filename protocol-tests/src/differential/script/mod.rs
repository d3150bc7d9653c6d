//! The calls, by API.

mod api_versions;
mod configs;
mod coordinators;
mod create_topics;
mod delete_topics;
mod fetch;
#[macro_use]
mod frames;
mod group_configs;
mod groups;
mod list_offsets;
mod log_dirs;
mod metadata;
mod partitions;
mod produce;
mod produce_batches;
mod producers;
mod records;
mod sessions;
mod transactions;

use super::{Case, Talk};

/// Every case, in order. What makes Apache Kafka create internal topics comes last; of that, what lists all
/// groups or transactions comes before what leaves some behind.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    let files = [
        log_dirs::CASES,
        api_versions::CASES,
        frames::CASES,
        metadata::CASES,
        create_topics::CASES,
        delete_topics::CASES,
        partitions::CASES,
        produce_batches::CASES,
        produce::CASES,
        producers::CASES,
        fetch::CASES,
        sessions::CASES,
        list_offsets::CASES,
        records::CASES,
        configs::CASES,
        group_configs::CASES,
        coordinators::CASES,
        groups::frames::CASES,
        groups::admin::CASES,
        groups::classic::CASES,
        groups::static_members::CASES,
        groups::offsets::CASES,
        groups::consumer::CASES,
        transactions::frames::CASES,
        transactions::admin::CASES,
        transactions::init::CASES,
        transactions::partitions::CASES,
        transactions::end::CASES,
        transactions::markers::CASES,
        transactions::produce::CASES,
        transactions::offsets::CASES,
        transactions::reading::CASES,
    ];
    files.into_iter().flatten()
}
