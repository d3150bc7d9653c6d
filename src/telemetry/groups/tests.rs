use super::*;
use crate::model::Timestamp;
use crate::telemetry::Metrics;

fn rendered(groups: usize, series_max: usize) -> String {
    let metrics = Metrics::new(Timestamp(0), series_max);
    metrics.set_groups(move |visitor| {
        for group in 0..groups {
            let name = format!("g{group}");
            let (state, members) = if group == 0 { ("Stable", 2) } else { ("Empty", 0) };
            let rebalances = 4 + group as u32;
            visitor.group(&name, GroupSeen { group_type: "classic", state, members, rebalances });
            let offsets: &[_] = if group == 1 { &[(0, Some(10)), (1, None), (2, Some(1))] } else { &[] };
            for (partition, end) in offsets {
                visitor.offset(&name, "t", *partition, Offset(3), end.map(Offset));
            }
        }
        visitor.rebalances(9);
    });
    metrics.render()
}

#[test]
fn groups_are_shown_by_kafka_exporters_names() {
    let rendered = rendered(3, 3);
    for line in [
        "highwater_groups{type=\"classic\",state=\"Empty\"} 2",
        "highwater_groups{type=\"classic\",state=\"Stable\"} 1",
        "highwater_group_members 2",
        "highwater_group_rebalances_total 9",
        "kafka_consumergroup_members{consumergroup=\"g0\"} 2",
        "kafka_consumergroup_members{consumergroup=\"g1\"} 0",
        "highwater_consumergroup_state{consumergroup=\"g0\",type=\"classic\",state=\"Stable\"} 1",
        "highwater_consumergroup_state{consumergroup=\"g2\",type=\"classic\",state=\"Empty\"} 1",
        "highwater_consumergroup_rebalances_total{consumergroup=\"g0\"} 4",
        "highwater_consumergroup_rebalances_total{consumergroup=\"g2\"} 6",
        "kafka_consumergroup_current_offset{consumergroup=\"g1\",topic=\"t\",partition=\"1\"} 3",
        "kafka_consumergroup_current_offset_sum{consumergroup=\"g1\",topic=\"t\"} 9",
        "kafka_consumergroup_lag{consumergroup=\"g1\",topic=\"t\",partition=\"0\"} 7",
        "kafka_consumergroup_lag{consumergroup=\"g1\",topic=\"t\",partition=\"2\"} 0",
        "kafka_consumergroup_lag_sum{consumergroup=\"g1\",topic=\"t\"} 7",
    ] {
        assert!(rendered.lines().any(|other| other == line), "{line} is not in\n{rendered}");
    }
    assert!(!rendered.contains("kafka_consumergroup_lag{consumergroup=\"g1\",topic=\"t\",partition=\"1\""));
}

#[test]
fn above_the_bound_no_group_has_its_own_but_the_sums_stay() {
    for (groups, series_max) in [(3, 2), (2, 1)] {
        let rendered = rendered(groups, series_max);
        assert!(rendered.contains("highwater_groups{type=\"classic\",state=\"Stable\"} 1"), "{rendered}");
        assert!(rendered.contains("highwater_group_members 2"));
        assert!(!rendered.contains("consumergroup=\""), "{rendered}");
    }
}
