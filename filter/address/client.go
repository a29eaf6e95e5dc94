package address

import "net/netip"

// clientBits6 is what one subscriber of an IPv6 network has at least: a /64
// (RFC 4291 §2.5.1, RFC 6177 §2). Counting single addresses would give such a
// client 2^64 of them to spread its requests over.
const clientBits6 = 64

// Client returns what counts as one client for limits and bans: the address
// itself in IPv4, the /64 in IPv6. An invalid ip gives the zero Prefix.
func Client(ip netip.Addr) netip.Prefix {
	ip = ip.Unmap()
	bits := ip.BitLen()
	if ip.Is6() {
		bits = clientBits6
	}
	p, _ := ip.Prefix(bits) // drops the zone
	return p
}
