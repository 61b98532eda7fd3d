//! The known name that is nearest to an unknown one.

/// The name among `known` that `unknown` was probably meant to be: equal but for case, or a few edits away. The name
/// itself is none: what is known and does not belong where it stands is no slip.
pub fn nearest<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let bound = unknown.chars().count().div_ceil(3).clamp(1, 3);
    let lower = unknown.to_lowercase();
    known
        .into_iter()
        .filter(|name| *name != unknown)
        .map(|name| (edits(&lower, &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= bound)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// The Levenshtein distance in characters.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, cb) in row.iter_mut().skip(1).zip(&b) {
            let here = (diagonal + usize::from(ca != *cb)).min(left + 1).min(*cell + 1);
            diagonal = *cell;
            *cell = here;
            left = here;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_the_name_that_was_meant() {
        let known = ["name", "email", "createdAt"];
        assert_eq!(nearest("nmae", known), Some("name"));
        assert_eq!(nearest("EMAIL", known), Some("email"));
        assert_eq!(nearest("creatdAt", known), Some("createdAt"));
        assert_eq!(nearest("zebra", known), None);
        assert_eq!(nearest("name", known), None);
    }
}
