//! The pair index: groups, languages, query rows, passage rows and identities.
