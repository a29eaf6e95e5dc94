// Package list keeps named address lists: ranges from the configuration, a
// file that is read again when it changes, a URL that is fetched again at an
// interval. It knows nothing of Caddy; whoever opens a List may keep it across
// configuration reloads (Config.Key is its identity, Destruct its end).
//
// # What it promises
//
//   - A reader never waits: the set in force is one atomic pointer.
//   - What cannot be understood changes nothing. After a bad line, a failed
//     fetch or a truncated answer the last good set stays in force; the State
//     and one log line say why, and the line that is wrong.
//   - A start needs no network: the last good copy of a URL lies in a directory
//     and is loaded before the first fetch.
//   - Open does not fetch. It reads what is local, and Start begins the work in
//     the background, so that `caddy validate` opens no connection.
//
// A list from a URL that was never fetched is empty: as a deny list it denies
// nobody, as an allow list it allows nobody.
package list
