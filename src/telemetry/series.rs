//! What is common to metrics that are read when somebody scrapes.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use super::names::Name;

/// A number as gauges have it.
pub(super) fn signed(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

/// A gauge without labels.
pub(super) fn gauge(encoder: &mut DescriptorEncoder, name: Name, value: i64) -> fmt::Result {
    ConstGauge::new(value).encode(gauges(encoder, name)?)
}

/// Where gauges of one name go, with labels or without.
pub(super) fn gauges<'a>(
    encoder: &'a mut DescriptorEncoder<'_>,
    name: Name,
) -> Result<MetricEncoder<'a>, fmt::Error> {
    encoder.encode_descriptor(name.name, name.help, None, MetricType::Gauge)
}
