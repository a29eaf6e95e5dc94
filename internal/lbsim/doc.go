// Package lbsim compares load-balancing policies in virtual time.
//
// A [Scenario] is a pool of backends, what happens to them, and a stream of
// requests that arrive whether or not earlier ones were answered (an open loop:
// a slow backend does not slow its clients down, so nothing is hidden). [Run]
// plays it with one policy and one seed: an event queue, no sleeps, no sockets,
// the same result each time. [Table] plays all of them and prints one table.
//
// Portico's policies run as they are: the pure cores of lbpolicy. Those of Caddy,
// HAProxy, nginx and Finagle are models, written after their sources (see
// models.go and peers.go). They have no health checks, as is the default in
// Caddy, but for one that has passive ones. Nothing is tuned for a scenario.
//
// What it leaves out: the time that the proxy itself takes, connections, bodies,
// and other proxies in front of the same backends.
package lbsim
