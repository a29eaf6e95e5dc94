// Package lbpolicy has load-balancing policies for Caddy's reverse_proxy:
//
//	least_time     the upstream that is expected to answer first
//	least_request  the one with the fewest requests in flight
//	weighted       in turn, as often as the weights say
//	hash           the same one for the same key
//	sticky         the one that the session began at
//	tiers          the preferred ones first, the others for what these cannot take
//
// Every policy does three things with a request: it leaves out upstreams that may
// not get it (down, full, drained, ejected, tried before), lets its own rule choose among
// the rest, and learns what came of it. The first is balancer and choice, the
// second the policies' own files, the third tap and upstream.
//
//	reverse_proxy ── Select ──> balancer ── candidates ──> policy
//	      │                        ▲
//	      └── Transport ──> tap ── learns ──> upstream (one for each address)
//
// What is known of an upstream belongs to its address: all policies share it, and it
// outlives a reload.
//
// The rules themselves and all arithmetic are in the packages below, as pure
// functions of what is known, the time and chance.
package lbpolicy
