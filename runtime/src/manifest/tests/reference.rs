//! `MANIFEST.md` says what is so.
