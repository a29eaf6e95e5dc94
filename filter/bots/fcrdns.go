package bots

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// maxNames bounds the names of one address that are looked up: who owns an
// address may give it thousands, and each would cost us a query.
const maxNames = 3

// lookUp asks DNS for a crawler's address; answered is false if DNS could not
// say (no server, time-out, failure of a server).
func (v *Verifier) lookUp(c *Crawler, ip netip.Addr) (verdict Verdict, answered bool) {
	ctx, cancel := context.WithTimeout(v.ctx, v.opts.Timeout)
	defer cancel()
	names, err := v.opts.Resolver.LookupAddr(ctx, ip.String())
	if temporary(err) {
		return Pending, false
	}
	network := "ip6"
	if ip.Is4() {
		network = "ip4"
	}
	candidates := slices.DeleteFunc(names, func(name string) bool { return !under(name, c.Verify.Domains) })
	answered = true
	for _, name := range candidates[:min(len(candidates), maxNames)] {
		addrs, err := v.opts.Resolver.LookupNetIP(ctx, network, name)
		if slices.ContainsFunc(addrs, func(a netip.Addr) bool { return a.Unmap() == ip }) {
			return Verified, true
		}
		answered = answered && !temporary(err)
	}
	if !answered {
		return Pending, false
	}
	return Impostor, true
}

// temporary reports whether an error says that DNS could not answer now. A name
// that does not exist is an answer, and so is a malformed one: the one whose
// address it names could otherwise choose to stay unknown.
func temporary(err error) bool {
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return !dns.IsNotFound && (dns.IsTimeout || dns.IsTemporary)
	}
	return err != nil
}

// under reports whether a name is one of the domains or below it.
func under(name string, domains []string) bool {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	return slices.ContainsFunc(domains, func(domain string) bool {
		rest, ok := strings.CutSuffix(name, domain)
		return ok && (rest == "" || strings.HasSuffix(rest, "."))
	})
}
