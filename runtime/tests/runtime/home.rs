//! The folder for what outlives a run.

use std::ffi::OsString;
use std::path::Path;

use theater_runtime::Home;

fn found(variables: &[(&str, &str)]) -> Result<Home, String> {
    let lookup = |name: &str| {
        let value = variables.iter().find(|(known, _)| *known == name);
        value.map(|(_, value)| OsString::from(value))
    };
    Home::find_in(lookup).map_err(|error| error.to_string())
}

#[test]
fn the_own_variable_goes_before_the_usual_place() {
    let home = found(&[("THEATER_HOME", "/a"), ("XDG_DATA_HOME", "/b"), ("HOME", "/c")]);
    let home = home.expect("a folder was named");
    assert_eq!(home, Home::at("/a"));
    assert_eq!(home.store(), Path::new("/a/store"));
    assert_eq!(home.cache(), Path::new("/a/cache"));
}

#[cfg(all(unix, not(target_os = "macos")))]
#[test]
fn the_usual_place_is_where_data_of_the_user_goes() {
    assert_eq!(found(&[("XDG_DATA_HOME", "/b"), ("HOME", "/c")]), Ok(Home::at("/b/theater")));
    let in_home = Ok(Home::at("/c/.local/share/theater"));
    assert_eq!(found(&[("HOME", "/c")]), in_home);
    assert_eq!(found(&[("THEATER_HOME", ""), ("XDG_DATA_HOME", ""), ("HOME", "/c")]), in_home);
    assert_eq!(found(&[("XDG_DATA_HOME", "relative"), ("HOME", "/c")]), in_home);
}

#[cfg(unix)]
#[test]
fn without_any_folder_the_error_says_what_to_set() {
    assert_eq!(
        found(&[]),
        Err("no folder to keep things in: THEATER_HOME is not set, and neither is HOME".to_owned())
    );
}
