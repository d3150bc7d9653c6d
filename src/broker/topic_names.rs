//! Which names a new topic may have.

use std::collections::{HashMap, HashSet};

use super::TopicError;
use crate::metadata::{ClusterImage, colliding_form, validate_topic_name};

/// The names that are taken, as far as the names of one request may meet them: made once per request, by one
/// walk over the topics, and by none if no new name has a `.` or `_`.
pub struct TopicNames<'a> {
    image: &'a ClusterImage,
    /// Those of the forms asked for that somebody has, and who.
    colliding: HashMap<String, String>,
}

impl<'a> TopicNames<'a> {
    /// What stands in the way of these new names.
    pub fn of<'n>(image: &'a ClusterImage, new: impl Iterator<Item = &'n str>) -> TopicNames<'a> {
        let asked: HashSet<String> = new.filter(|name| may_collide(name)).map(colliding_form).collect();
        let mut colliding = HashMap::new();
        if !asked.is_empty() {
            let others = image.topics().map(|topic| topic.name.as_ref()).filter(|name| may_collide(name));
            let with_form = others.map(|name| (colliding_form(name), name.to_owned()));
            colliding.extend(with_form.filter(|(form, _)| asked.contains(form)));
        }
        TopicNames { image, colliding }
    }

    /// Whether a topic of this name, one of those given before, may be created. In the order of Kafka 4.3, as
    /// measured.
    pub fn check(&self, name: &str) -> Result<(), TopicError> {
        validate_topic_name(name).map_err(|error| TopicError::InvalidName(error.to_string()))?;
        if self.image.topic(name).is_some() {
            return Err(TopicError::Exists(name.to_owned()));
        }
        let other = if may_collide(name) { self.colliding.get(&colliding_form(name)) } else { None };
        match other {
            None => Ok(()),
            Some(other) => {
                let words = format!("Topic '{name}' collides with existing topic: {other}");
                Err(TopicError::InvalidName(words))
            }
        }
    }

    /// This name is taken now, too.
    pub(super) fn take(&mut self, name: &str) {
        if may_collide(name) {
            self.colliding.insert(colliding_form(name), name.to_owned());
        }
    }
}

/// Two different names have the same form only if both have one of these.
fn may_collide(name: &str) -> bool {
    name.contains(['.', '_'])
}
