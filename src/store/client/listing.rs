//! Listing: a page is a request, repeated for itself.

use futures_util::StreamExt;
use futures_util::stream;

use super::super::backend::{Backend, PageToken};
use super::{Client, Listing, Operation};

enum Position {
    From(Option<PageToken>),
    End,
}

pub(super) fn list<B: Backend>(client: Client<B>, prefix: &str) -> Listing {
    let prefix = prefix.to_owned();
    let pages = stream::unfold(Position::From(None), move |position| {
        let (client, prefix) = (client.clone(), prefix.clone());
        async move {
            let Position::From(token) = position else { return None };
            let request = || client.0.backend.list(&prefix, token.clone());
            match client.repeated(Operation::List, 0, request).await {
                Ok(page) => {
                    let next = page.next.map_or(Position::End, |token| Position::From(Some(token)));
                    Some((Ok(page.objects), next))
                }
                Err(error) => Some((Err(error), Position::End)),
            }
        }
    });
    let told = |page: &Result<Vec<_>, _>| !page.as_ref().is_ok_and(Vec::is_empty);
    Listing::new(pages.filter(move |page| std::future::ready(told(page))).boxed())
}
